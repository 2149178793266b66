# buildah bud: a Dockerfile with RUN steps, users, directories, stages, arguments, a cache mount, and one that fails.
cp -r "$IMAGE" image
cat >Dockerfile <<'END'
FROM scratch AS base
COPY image /
ENV PATH=/bin GREETING=hello
FROM base AS maker
ARG WORD=none
RUN echo "$GREETING $WORD" >/made && id -u
RUN ["sh", "-c", "mkdir /directory && seq 1000 | sort -n | tail -n 1 >/directory/last"]
RUN --mount=type=tmpfs,target=/t touch /t/file && ls /t
RUN --mount=type=bind,source=image/etc,target=/other cat /other/group
WORKDIR /work
RUN pwd && for i in 1 2 3; do echo $i & done | sort
USER user
RUN id -un && ! touch /refused 2>/dev/null
FROM base
COPY --from=maker /made /directory/last /
RUN cat /made /last
CMD ["cat", "/made"]
END
limits='--ulimit nofile=1024:1024 --ulimit nproc=1024:1024'
buildah bud $limits --build-arg WORD=world -t built . 2>/dev/null | grep -vE '^(-->|\[|STEP|COMMIT|Success|[0-9a-f]{64}$)'
c=$(buildah from $limits --pull-never built); buildah run "$c" cat /made /last
printf 'FROM built\nRUN exit 5\n' >Failing
buildah bud $limits --pull-never -f Failing . >/dev/null 2>&1; echo $?
printf 'FROM built\nRUN echo layer >/layer\nRUN cat /layer\n' >Layers
buildah bud $limits --pull-never --layers -q -f Layers -t layers . >/dev/null; echo $?
buildah bud $limits --pull-never --layers -f Layers -t layers . 2>&1 | grep -c 'Using cache'
