# Jackdaw's image: the bundled server and command line on the slim Node image, no node_modules, nobody's user. Build: docker build -t jackdaw:dev .
FROM node:26-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.json ./
# Without install scripts: none is needed here, and the package `node` would fetch the Node that this image already has.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts/bundle.ts scripts/
COPY proto proto
COPY src src
RUN node scripts/bundle.ts

FROM node:26-trixie-slim
LABEL org.opencontainers.image.title="Jackdaw" \
      org.opencontainers.image.description="A Kubernetes-native replicated in-memory cache: every pod answers every key" \
      org.opencontainers.image.licenses="MIT"
# The entries lie off the JavaScript heap and may take 60 % of the container's memory (maxMemoryBytes): the heap gets what the rest can bear.
ENV NODE_ENV=production \
    NODE_OPTIONS="--max-old-space-size-percentage=25 --max-semi-space-size=2"
WORKDIR /app
COPY --from=build /build/dist ./
# `kubectl exec jackdaw-0 -- jackdaw get some-key`
RUN ln -s /app/jackdaw-cli.js /usr/local/bin/jackdaw
USER 65532:65532
# 8080 HTTP, 6379 and 6380 RESP, 31337 text, 50051 gRPC, 7946 gossip, 7947 streams between members, 9090 metrics and health.
EXPOSE 8080 6379 6380 31337 50051 7946/tcp 7946/udp 7947 9090
# The server is process 1 and has its own handlers for SIGTERM and SIGINT; the base image's entry point would be a shell in between.
ENTRYPOINT ["node", "/app/main.js"]
