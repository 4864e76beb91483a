# make         builds ./netcap, one static binary
# make test    all checks and tests that this machine can run, and what it can't
# make cross   builds dist/netcap-linux-ARCH for every architecture
# make clean   removes what these made

.PHONY: build test cross clean

build:
	scripts/build netcap

test:
	scripts/test

cross:
	scripts/cross dist

clean:
	rm -rf netcap dist
