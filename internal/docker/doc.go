// Package docker asks a Docker engine which interfaces its networks and containers
// have, and by which names its containers are known. It only reads: a handful of GET
// requests of the engine's API, on its Unix socket. Podman's service answers the same.
package docker
