# git: commits, merges, a clone over a local transport, gc.
# packages: git
export GIT_AUTHOR_DATE='@1000000000 +0000' GIT_COMMITTER_DATE='@1000000000 +0000' GIT_CONFIG_GLOBAL=/tmp/gitconfig
cd /tmp && git config --global user.name n && git config --global user.email e@x && git config --global init.defaultBranch main && git config --global protocol.file.allow always
git init -q repo && cd repo
for i in $(seq 30); do seq "$i" 200 >"f$((i % 7))"; git add . && git commit -qm "commit $i"; done
git checkout -qb side HEAD~5 && echo side >side && git add side && git commit -qm side && git checkout -q main && git merge -q -m merge side
git log --oneline | wc -l && git rev-parse HEAD && git status --short | wc -l && git diff --stat HEAD~10 | tail -n 1
git gc -q && git fsck && git count-objects -v | grep -E 'in-pack|packs'
cd .. && git clone -q file:///tmp/repo clone && git -C clone rev-parse HEAD && git clone -q --depth 1 file:///tmp/repo shallow && git -C shallow log --oneline | wc -l
cd clone && echo more >more && git add more && git commit -qm more && git push -q origin HEAD:pushed && git -C ../repo branch --list pushed
git grep -c 100 | sort | head -n 3 && git blame -s f1 | head -n 1 | cut -c 1-9 && git archive HEAD | tar -t | wc -l && git bisect start -q HEAD HEAD~20 >/dev/null && git bisect run true 2>/dev/null | tail -n 1 | cut -c 1-20
