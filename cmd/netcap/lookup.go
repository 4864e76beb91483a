package main

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

// lookUp finds the names of addresses, each once, as the system's resolver does.
type lookUp struct {
	asked   map[netip.Addr]bool
	summary decode.Summary
}

func newLookUp() *lookUp { return &lookUp{asked: make(map[netip.Addr]bool)} }

// What one name may take, and how many are asked for.
const (
	lookUpPatience = time.Second
	mostLookUps    = 10_000
)

// of returns the names of a packet's addresses that weren't asked for before and aren't
// known.
func (l *lookUp) of(pk *pcapfile.Packet, known map[netip.Addr]string) (found map[netip.Addr]string) {
	l.summary.Read(pk)
	for _, addr := range []netip.Addr{l.summary.Source, l.summary.Destination} {
		if !addr.IsValid() || l.asked[addr] || len(l.asked) == mostLookUps {
			continue
		}
		l.asked[addr] = true
		if _, ok := known[addr]; ok {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), lookUpPatience)
		names, err := net.DefaultResolver.LookupAddr(ctx, addr.String())
		cancel()
		if err != nil || len(names) == 0 {
			continue // it stays a number
		}
		if found == nil {
			found = make(map[netip.Addr]string)
		}
		found[addr] = strings.TrimSuffix(names[0], ".")
	}
	return found
}
