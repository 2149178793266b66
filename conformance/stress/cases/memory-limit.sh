# A process that wants more memory than the container may have is killed; the others go on.
# packages: stress-ng python3-minimal
for turn in 1 2 3; do
  { (python3 -c "b'x' * (2 << 30)"); echo "turn $turn: $?"; } 2>/dev/null
done
python3 -c "print(len(b'x' * (256 << 20)))"
