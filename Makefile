# make         builds ./netcap, one static binary
# make check   what shows in less than a minute that a change isn't wrong; needs no root
# make test    all checks and tests that this machine can run, and what it can't
# make fuzz    runs each fuzz target for FUZZTIME (30s, a quarter of an hour in all)
# make cross   builds dist/netcap-linux-ARCH for every architecture, and vets for each
# make packages  builds dist/netcap*.deb and .rpm for every architecture
# make soak    a capture with rotation, floods and faults for SOAK=10m (root)
# make bench   compares netcap with other programs (root; hours; BENCH="-runs 1 -sections tcp" for less)
# make bench-read  compares reading with tcpdump, tshark and capinfos (minutes)
# make bench-dicom  compares netcap dicom with tshark (minutes)
# make bench-filter  compares filter programs with libpcap's, on the corpus
# make clean   removes what these made

# how long make soak takes
SOAK ?= 10m

.PHONY: build check test fuzz soak cross packages bench bench-read bench-dicom bench-filter clean

build:
	scripts/build netcap

check:
	scripts/check

test:
	scripts/test

fuzz:
	scripts/fuzz

soak:
	CGO_ENABLED=0 go test -count=1 -v -timeout 0 -run TestSoak ./cmd/netcap -soak $(SOAK)

cross:
	scripts/cross dist

packages:
	scripts/packages dist

bench: build
	go run ./internal/bench -netcap ./netcap $(BENCH)

bench-read: build
	go run ./internal/bench/read -netcap ./netcap

bench-dicom: build
	go run ./internal/bench/dicom -netcap ./netcap

bench-filter:
	go run ./internal/bench/filter

clean:
	rm -rf netcap dist
