package scrub

import (
	"net/netip"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// places are where DICOM was seen: at which addresses, and at which ports of servers.
type places struct {
	hosts map[netip.Addr]bool
	ports map[uint16]bool
	full  bool // there were too many: it may be anywhere
}

const maxPlaces = 1 << 14

func (p *places) add(c *tcp.Conn) {
	if len(p.hosts) >= maxPlaces {
		p.full = true
		return
	}
	if p.hosts == nil {
		p.hosts, p.ports = make(map[netip.Addr]bool), make(map[uint16]bool)
	}
	p.hosts[c.Addr(tcp.Client).Addr()] = true
	p.hosts[c.Addr(tcp.Server).Addr()] = true
	p.ports[c.Addr(tcp.Server).Port()] = true
}

// guarded reports whether a connection is at a place of DICOM's.
func (p *places) guarded(c *tcp.Conn) bool {
	for _, side := range []tcp.Side{tcp.Client, tcp.Server} {
		a := c.Addr(side)
		if p.full || dicom.IsPort(a.Port()) || p.ports[a.Port()] || p.hosts[a.Addr()] {
			return true
		}
	}
	return false
}
