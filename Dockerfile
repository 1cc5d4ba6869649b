# Reprieve in a container: built from source, run as nobody in particular.
#
#   docker build -t reprieve .
#   docker run --rm -v reprieve-etc:/etc/reprieve -v reprieve-data:/var/lib/reprieve reprieve init /etc/reprieve
#   docker run -v reprieve-etc:/etc/reprieve -v reprieve-data:/var/lib/reprieve -p 127.0.0.1:8080:8080 reprieve \
#       serve --config /etc/reprieve/reprieve.toml --set listen.portal=0.0.0.0:8080
#
# A door on 127.0.0.1, the default, is shut to everybody outside the container.
# deploy/compose/ has the whole, with Postfix and nginx.
FROM rust:1.95.0-bookworm AS build
# The image's own: rust-toolchain.toml would fetch what only developers need.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin reprieve

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 990 --home-dir /var/lib/reprieve --shell /usr/sbin/nologin reprieve \
    && install -d -o reprieve -g reprieve -m 0700 /etc/reprieve /var/lib/reprieve
COPY --from=build /src/target/release/reprieve /usr/bin/reprieve
USER reprieve
VOLUME ["/etc/reprieve", "/var/lib/reprieve"]
# SMTP, milter, pages; metrics stay inside unless you say otherwise.
EXPOSE 10025 10027 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/reprieve"]
CMD ["serve", "--config", "/etc/reprieve/reprieve.toml"]
