# dpkg and apt: a package is built, put in a local repository, installed, removed.
# packages: dpkg-dev apt gzip
# seconds: 120
cd /tmp && mkdir -p pkg/DEBIAN pkg/usr/share/thing repo
printf 'Package: thing\nVersion: 1.2\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: a thing\n' >pkg/DEBIAN/control
printf '#!/bin/sh\necho "postinst $1"\n' >pkg/DEBIAN/postinst && chmod 755 pkg/DEBIAN/postinst && echo content >pkg/usr/share/thing/file
dpkg-deb --build --root-owner-group pkg repo >/dev/null && (cd repo && dpkg-scanpackages . 2>/dev/null >Packages)
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/* && echo 'deb [trusted=yes] file:/tmp/repo ./' >/etc/apt/sources.list
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-cache policy thing | sed -n 2,3p && apt-get install -qq -y thing 2>&1 | grep -E 'postinst|Setting'
dpkg -s thing | grep Status && cat /usr/share/thing/file && dpkg -L thing | tail -n 1 && dpkg -V thing && echo verified
apt-get remove -qq -y thing 2>&1 | grep -c Removing; dpkg -l thing 2>/dev/null | tail -n 1 | cut -c 1-2; test -e /usr/share/thing/file || echo gone
