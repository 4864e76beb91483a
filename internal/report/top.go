package report

import (
	"cmp"
	"net/netip"
	"slices"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

// Share is the part of a capture that is one address's or one protocol's.
type Share struct {
	Name    string `json:"name"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"` // as they were on the wire
}

// Top are those that have most bytes.
type Top struct {
	Talkers   []Share `json:"talkers"` // a packet counts for its sender and its receiver
	Protocols []Share `json:"protocols"`
}

// topCounter counts who talks how much.
type topCounter struct {
	most      int // that are wanted of each
	summary   decode.Summary
	talkers   map[netip.Addr]*Share
	protocols map[string]*Share
}

// mostCounted bounds how many are counted each by itself: the first that come.
const mostCounted = 1 << 17

func newTopCounter(most int) *topCounter {
	return &topCounter{most: most, talkers: make(map[netip.Addr]*Share), protocols: make(map[string]*Share)}
}

func (c *topCounter) add(p *pcapfile.Packet) {
	c.summary.Read(p)
	length := uint64(p.Length)
	count(c.protocols, c.summary.Protocol, length)
	if c.summary.Source.IsValid() {
		count(c.talkers, c.summary.Source, length)
	}
	if c.summary.Destination.IsValid() && c.summary.Destination != c.summary.Source {
		count(c.talkers, c.summary.Destination, length)
	}
}

func count[K comparable](m map[K]*Share, key K, length uint64) {
	s := m[key]
	if s == nil {
		if len(m) == mostCounted {
			return
		}
		s = &Share{}
		m[key] = s
	}
	s.Packets++
	s.Bytes += length
}

// top returns the most, by the names that the file has for addresses.
func (c *topCounter) top(names []pcapfile.Name) *Top {
	called := make(map[netip.Addr]string)
	for _, n := range names {
		called[n.Addr] = n.Names[0]
	}
	t := &Top{Talkers: []Share{}, Protocols: []Share{}}
	for addr, s := range c.talkers {
		s.Name = addr.String()
		if name, ok := called[addr]; ok {
			s.Name += " " + name
		}
		t.Talkers = append(t.Talkers, *s)
	}
	for name, s := range c.protocols {
		s.Name = name
		t.Protocols = append(t.Protocols, *s)
	}
	for _, shares := range []*[]Share{&t.Talkers, &t.Protocols} {
		slices.SortFunc(*shares, func(a, b Share) int {
			return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Name, b.Name))
		})
		*shares = (*shares)[:min(len(*shares), c.most)]
	}
	return t
}
