package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// libpcapTimer is a C program that runs a filter on packets with libpcap's
// interpreter, and prints the nanoseconds that one took in the best of three
// rounds, how many were accepted, and the microseconds of compiling.
const libpcapTimer = `#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
	long total = atol(argv[2]), size, accepted = 0;
	FILE *f = fopen(argv[1], "rb");
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	unsigned char *all = malloc(size);
	if (fread(all, 1, size, f) != (size_t)size)
		return 1;
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 262144);
	struct bpf_program program;
	double start = now(), compiling, best = 1e18;
	for (int i = 0; i < 100; i++)
		if (pcap_compile(p, &program, argv[3], 1, PCAP_NETMASK_UNKNOWN) != 0)
			return 1;
	compiling = (now() - start) / 100;
	for (int round = 0; round < 3; round++) {
		long n = 0;
		accepted = 0;
		start = now();
		while (n < total)
			for (long at = 0; at < size && n < total; n++) {
				uint32_t *h = (uint32_t *)(all + at);
				struct pcap_pkthdr header = {.caplen = h[0], .len = h[1]};
				accepted += pcap_offline_filter(&program, &header, all + at + 8) != 0;
				at += 8 + (h[0] + 7) / 8 * 8;
			}
		double took = (now() - start) / total;
		if (took < best)
			best = took;
	}
	printf("%.1f %ld %.0f\n", best, accepted, compiling / 1000);
	return 0;
}
`

// A libpcap times libpcap's interpreter.
type libpcap struct{ program, packets, dir string }

// newLibpcap compiles the timer, which takes a C compiler and libpcap's headers.
func newLibpcap(packets []packet) (*libpcap, error) {
	dir, err := os.MkdirTemp("", "netcap-bench-filter")
	if err != nil {
		return nil, err
	}
	l := &libpcap{program: filepath.Join(dir, "timer"), packets: filepath.Join(dir, "packets"), dir: dir}
	var b []byte
	for _, p := range packets {
		b = binary.NativeEndian.AppendUint32(b, uint32(len(p.data)))
		b = binary.NativeEndian.AppendUint32(b, uint32(p.length))
		b = append(b, p.data...)
		b = append(b, make([]byte, -len(p.data)&7)...)
	}
	if err := os.WriteFile(l.packets, b, 0o600); err != nil {
		return nil, err
	}
	cc := exec.Command("cc", "-O2", "-x", "c", "-o", l.program, "-", "-lpcap")
	cc.Stdin = strings.NewReader(libpcapTimer)
	var stderr bytes.Buffer
	cc.Stderr = &stderr
	if err := cc.Run(); err != nil {
		first, _, _ := strings.Cut(stderr.String(), "\n")
		return nil, fmt.Errorf("%w: %s", err, first)
	}
	return l, nil
}

func (l *libpcap) close() error { return os.RemoveAll(l.dir) }

// time returns what a filter took, as the timer prints it.
func (l *libpcap) time(expr string, total int) (ns float64, accepted int, compiling float64, err error) {
	out, err := exec.Command(l.program, l.packets, fmt.Sprint(total), expr).Output()
	if err == nil {
		_, err = fmt.Sscan(string(out), &ns, &accepted, &compiling)
	}
	return ns, accepted, compiling, err
}
