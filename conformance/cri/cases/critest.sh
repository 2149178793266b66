# critest, the conformance tests of the kubelet's interface (where CRITEST names the program): each of its specs. Those that
# pull images are left out, and those of mount propagation, whose containers mount (docs/abi.md); the images of the
# others are stood in for by busybox.
# seconds: 1500
[ -x "$CRITEST" ] || { echo 'no critest'; exit; }
export CONTAINERD_NAMESPACE=k8s.io
web() {
  sed "s|\"Cmd\":\[[^]]*\]|\"Cmd\":[\"sh\",\"-c\",\"echo well >/www/index.html; httpd -f -p $2 -h /www; : master process\"]|" "$DIRECTORY/archive/config.json" >image/config.json
  printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$1" >image/manifest.json
  cp "$DIRECTORY/archive/layer.tar" image && tar -C image -cf web.tar . && ctr images import web.tar >/dev/null
}
mkdir image
web registry.k8s.io/e2e-test-images/nginx:1.14-2 80
web registry.k8s.io/e2e-test-images/httpd:2.4.39-4 80
web gcr.io/k8s-staging-cri-tools/hostnet-nginx-amd64:latest 12003
ctr images tag "$IMAGE" registry.k8s.io/e2e-test-images/busybox:1.29-2 >/dev/null
"$CRITEST" -runtime-endpoint "$CONTAINER_RUNTIME_ENDPOINT" --ginkgo.junit-report junit.xml --ginkgo.no-color \
  --ginkgo.skip 'Image Manager|apparmor|AppArmor|SELinux|runtime should support streaming|port-forward|[Pp]ull|propagation' >log 2>&1
tr '\n' ' ' <junit.xml | grep -oE '<testcase name="[^"]*"[^>]*status="[a-z]*"' | sed 's/<testcase name="//; s/" .*status="/: /; s/"$//' | grep -v ': skipped' | sort
