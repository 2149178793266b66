# docker build of a Dockerfile with RUN steps, as users, in layers.
# seconds: 120
cat >Dockerfile <<'END'
FROM busybox
RUN mkdir /made && echo built >/made/file && echo builder:x:2000:2000::/tmp:/bin/sh >>/etc/passwd
RUN cat /made/file && for i in 1 2 3; do echo $i >>/made/list; done
COPY Dockerfile /made/
WORKDIR /made
USER builder
RUN id -un
CMD ["sh", "-c", "id -un; cat file; wc -l <list"]
END
docker build -q -t made . >/dev/null 2>&1 && docker run --rm made
docker history -q made | wc -l
printf 'FROM busybox\nRUN exit 3\n' | docker build -t broken - 2>&1 | grep -c 'returned a non-zero code: 3'
