# Pods: shared namespaces through an infra container, play kube, generate kube.
# seconds: 120
podman pod create --name pod --hostname together >/dev/null
podman run -d --pod pod --name server busybox sh -c 'echo served >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null; sleep 1
podman run --rm --pod pod busybox wget -q -O - http://127.0.0.1/
podman run --rm --pod pod busybox hostname
podman run --rm --pod pod busybox sh -c 'readlink /proc/self/ns/net' >net; podman exec server readlink /proc/self/ns/net | cmp - net && echo 'one network'
podman run --rm --pod pod busybox sh -c 'readlink /proc/self/ns/pid' >pid; podman exec server readlink /proc/self/ns/pid | cmp -s - pid || echo 'processes of their own'
podman pod inspect pod --format '{{.State}} {{.NumContainers}}'
podman pod top pod comm 2>/dev/null | sort -u | grep -c httpd
podman pod pause pod >/dev/null && podman inspect -f '{{.State.Status}}' server && podman pod unpause pod >/dev/null
podman pod stop -t 1 pod >/dev/null 2>&1 && podman pod inspect pod --format '{{.State}}'
podman pod start pod >/dev/null && sleep 1 && podman exec server wget -q -O - http://127.0.0.1/
# It makes files in the folder of a hierarchy that the kernel lacks, and then complains of them.
remove() { podman pod rm -f -t 0 "$1" >/dev/null 2>&1; }
remove pod
podman pod create --name processes --share pid,net,ipc,uts >/dev/null
podman run -d --pod processes --name first busybox sleep 77 >/dev/null
podman run --rm --pod processes busybox ps -o args | grep -c '^sleep 77'
remove processes
cat >pod.yaml <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: server
    image: localhost/busybox
    command: [sh, -c, 'echo "kube $GREETING" >/data/index.html; exec httpd -f -p 8080 -h /data']
    env: [{name: GREETING, value: hello}]
    securityContext: {runAsUser: 1000}
    resources: {limits: {memory: 64Mi}}
    volumeMounts: [{name: data, mountPath: /data}]
  - name: client
    image: localhost/busybox
    command: [sh, -c, 'sleep 1; wget -q -O - http://127.0.0.1:8080/; sleep 100']
  volumes:
  - name: data
    hostPath: {path: DATA, type: Directory}
END
mkdir data && chmod 777 data && sed -i "s|DATA|$PWD/data|" pod.yaml
podman play kube pod.yaml >/dev/null 2>&1 && sleep 3 && podman logs web-client
podman exec web-server id -u
podman generate kube web 2>/dev/null | grep -c 'image: localhost/busybox'
podman play kube --down pod.yaml >/dev/null 2>&1; podman pod ps -q | wc -l
