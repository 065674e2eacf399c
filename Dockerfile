# Jackdaw's image: one bundled file on the slim Node image, no node_modules, nobody's user. Build: docker build -t jackdaw:dev .
FROM node:26-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
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
# The entries live on the JavaScript heap and may take 60 % of the container's memory (maxMemoryBytes); a quarter is left to what is not heap.
ENV NODE_ENV=production \
    NODE_OPTIONS=--max-old-space-size-percentage=75
WORKDIR /app
COPY --from=build /build/dist ./
USER 65532:65532
# 8080 HTTP, 7946 gossip, 7947 streams between members, 9090 metrics and health.
EXPOSE 8080 7946/tcp 7946/udp 7947 9090
# The server is process 1 and has its own handlers for SIGTERM and SIGINT; the base image's entry point would be a shell in between.
ENTRYPOINT ["node", "/app/main.js"]
