# sshd with a login: keys, a command, a pseudo terminal, a copy, another user.
# packages: openssh-server openssh-client
cd /tmp && mkdir -p /run/sshd /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f key && cp key.pub /root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys
useradd -m -p '*' -s /bin/sh visitor && mkdir -p ~visitor/.ssh && cp key.pub ~visitor/.ssh/authorized_keys && chown -R visitor ~visitor/.ssh
ssh-keygen -q -t ed25519 -N '' -f host && /usr/sbin/sshd -h /tmp/host -p 2222 -o ListenAddress=127.0.0.1 -o StrictModes=no -o UsePAM=no -o PidFile=/tmp/pid -E /tmp/log && sleep 0.3
S='-p 2222 -i /tmp/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'
ssh $S root@127.0.0.1 'id -un; exit 5'; echo $?
ssh $S visitor@127.0.0.1 'id -un; pwd'
ssh -tt $S visitor@127.0.0.1 'test -t 0 && tty | sed s/[0-9]*$//; stty size' </dev/null | tr -d '\r'
head -c 3000000 /dev/zero | ssh $S root@127.0.0.1 'cat | md5sum'
scp -q -P 2222 -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null /etc/debian_version root@127.0.0.1:/tmp/copied && cmp /etc/debian_version copied && echo copied
kill "$(cat pid)"
