# make         builds ./netcap, one static binary
# make test    all checks and tests that this machine can run, and what it can't
# make cross   builds dist/netcap-linux-ARCH for every architecture
# make bench   compares netcap with other programs (root; minutes)
# make clean   removes what these made

.PHONY: build test cross bench clean

build:
	scripts/build netcap

test:
	scripts/test

cross:
	scripts/cross dist

bench: build
	go run ./internal/bench -netcap ./netcap

clean:
	rm -rf netcap dist
