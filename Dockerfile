# The controller, and the command line. Its busybox is also what the pods of jobs with several steps get their gate from.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-progress
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY schemas schemas
COPY src src
# Not `npm run build`: that runs on the Node of the development dependencies.
RUN PATH="$PWD/node_modules/.bin:$PATH" /usr/local/bin/node scripts/build.ts
# What running it needs, and no more: no compiler, no types, no source maps.
RUN npm prune --omit=dev --ignore-scripts --no-progress \
  && rm -rf node_modules/@types \
  && find dist node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.md' \) -delete \
  && find node_modules -type d -empty -delete

FROM node:24-bookworm-slim AS busybox
RUN apt-get update \
  && apt-get install --yes --no-install-recommends busybox-static \
  && cp /bin/busybox /usr/share/doc/busybox-static/copyright /srv/

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="runledger" \
  org.opencontainers.image.description="Runs jobs on Kubernetes from git, and commits what happened back to git" \
  org.opencontainers.image.licenses="Apache-2.0"
COPY --from=busybox /srv/copyright /usr/share/doc/busybox-static/copyright
COPY --from=busybox /srv/busybox /usr/bin/busybox
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
# A number, so that a cluster sees that it is not root. The root file system may be read-only: only $TMPDIR is written to.
USER 65532:65532
ENV NODE_ENV=production HOME=/tmp TMPDIR=/tmp
WORKDIR /tmp
EXPOSE 8080
# Small young generations, and an old one that grows in small steps: at 1,000 runs a good part less memory for some CPU
# (npm run bench -- throughput shows both).
ENTRYPOINT ["node", "--max-semi-space-size=16", "--heap-growing-percent=20", "/app/dist/src/cli/main.js"]
CMD ["controller"]
