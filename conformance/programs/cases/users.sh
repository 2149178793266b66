# su, sudo, ping, passwd: programs that gain rights by their files' mode.
# packages: sudo passwd iputils-ping libcap2-bin procps login
echo "127.0.0.1 $(hostname)" >>/etc/hosts
useradd -m visitor && echo 'visitor ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/visitor
su visitor -c 'id -un; id -u root; cat /etc/shadow 2>&1 | wc -c'
su visitor -c 'sudo -n id -u'
su visitor -c 'sudo -n -u nobody id -un'
su visitor -c 'ping -c 1 -W 2 127.0.0.1' | grep -c '1 received'
cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id && su visitor -c /tmp/id | sed 's/groups.*//'
cp /bin/cat /tmp/cat && setcap cap_dac_read_search=ep /tmp/cat && su visitor -c '/tmp/cat /etc/shadow' 2>&1 | sed 's/.*: //'
su visitor -c 'setpriv --no-new-privs /tmp/id' | sed 's/groups.*//'
grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status
su visitor -c "grep -E '^Cap(Inh|Prm|Eff)' /proc/self/status"
setpriv --reuid 1000 --regid 1000 --clear-groups id
ps -eo user,comm | sort | uniq -c | sed 's/^ *//'
