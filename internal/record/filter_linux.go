package record

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"netcap/capture"
	"netcap/capture/filter"
	"netcap/pcapfile"
)

// filter is the program for an interface as it is now, or nil if there is no
// filter. It is compiled once for a kind of interface, so that names mean the same
// as long as the recording lasts.
func (s *source) filter(device string) (*filter.Program, error) {
	if s.r.cfg.Filter == "" {
		return nil, nil
	}
	link, err := capture.LinkOf(device)
	if err != nil {
		return nil, err
	}
	kind := filteredAs(device, link)
	if program, ok := s.programs[kind]; ok {
		return program, nil
	}
	p, err := compileFilter(s.r.cfg.Filter, device, kind, s.r.enc.snapLen)
	if err != nil {
		return nil, err
	}
	if p.Never() {
		s.r.log.Warn("the filter accepts no packet", "interface", s.name, "filter", s.r.cfg.Filter)
	}
	s.programs[kind] = p
	return p, nil
}

// ownFilter is the filter of an interface where the kernel refuses it: all packets come
// into the ring, and this chooses before anything is encoded.
type ownFilter struct {
	program *filter.Program // nil where only direction and loopback choose
	refused error
}

// openFiltered opens an interface with a filter in the kernel, or with one of its own.
func (s *source) openFiltered(c *capture.Config) ([]Source, error) {
	program, err := s.filter(c.Interface)
	if err != nil {
		return nil, err
	}
	refused := error(nil)
	if program != nil {
		c.Filter, refused = program.Instructions(), Refusal(program, c.Interface)
	}
	if refused == nil {
		in, err := s.r.cfg.Open(c, s.threads)
		var e *capture.FilterError
		if !errors.As(err, &e) {
			s.own.Store(nil)
			return in, err
		}
		refused = e
	}
	c.Filter, c.Unfiltered = nil, true
	in, err := s.r.cfg.Open(c, s.threads)
	if err != nil {
		return nil, err
	}
	before := s.own.Swap(&ownFilter{program, refused})
	if before == nil || before.refused.Error() != refused.Error() {
		s.r.log.Warn("netcap runs the filter itself, on every packet of the interface: the kernel refuses it", "interface", c.Interface, "because", refused, "do", Mend(refused))
	}
	return in, nil
}

// Refusal is why a kernel can't run a program, for an interface; nil if it can.
func Refusal(p *filter.Program, device string) error {
	var e *filter.Error
	if errors.As(p.Kernel(), &e) {
		return fmt.Errorf("interface %q: %s", device, e.Msg) // the expression may be a long one
	}
	return nil
}

// Mend says what to do about a filter that the kernel refuses.
func Mend(refused error) string {
	var e *capture.FilterError
	if errors.As(refused, &e) {
		return e.Mend()
	}
	return "make the filter shorter, or do without protochain"
}

// accepts reports whether a packet is wanted that the kernel didn't filter.
func (f *ownFilter) accepts(p *capture.Raw) bool {
	if f.program == nil {
		return true
	}
	return f.program.MatchLive(&filter.LivePacket{
		Data: p.Data, Length: p.Length, Network: p.Network, Protocol: p.Protocol, Type: uint8(p.Type),
		Interface: p.Interface, HardwareType: p.HardwareType, VLAN: p.VLAN, Tagged: p.Tagged,
	})
}

// why is why the filter doesn't run in the kernel, "" if it does.
func (s *source) why() string {
	if own := s.own.Load(); own != nil {
		return own.refused.Error()
	}
	return ""
}

// CompileFilter compiles a filter as a recording of that interface would. Where there is a
// Refusal, the recording runs it itself.
func CompileFilter(expr, name string, snapLen int) (*filter.Program, error) {
	link, err := capture.LinkOf(name)
	if err != nil {
		return nil, err
	}
	return compileFilter(expr, name, filteredAs(name, link), snapLen)
}

// filteredAs is what a filter takes packets for. Those of all interfaces together
// have no header in common, as behind an SLL2 header; what only Ethernet has is looked for in
// packets that are (filter.Config.Mixed).
func filteredAs(name string, link capture.Link) pcapfile.LinkType {
	if name == capture.Any {
		return pcapfile.LinkTypeLinuxSLL2
	}
	return linkTypeOf(link.HardwareType)
}

func compileFilter(expr, name string, kind pcapfile.LinkType, snapLen int) (*filter.Program, error) {
	return filter.Compile(expr, &filter.Config{
		LinkType: filter.LinkType(kind), SnapLen: snapLen, Netmask: netmask(name), Live: true, Mixed: name == capture.Any, UserSpace: true,
	})
}

// netmask is the mask of an interface's first IPv4 address, if it has one.
func netmask(name string) netip.Addr {
	own, err := capture.OwnName(name)
	if err != nil {
		return netip.Addr{} // any
	}
	ifi, err := net.InterfaceByName(own)
	if err != nil {
		return netip.Addr{} // any
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return netip.Addr{} // then ip broadcast says that it isn't known
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
			mask, _ := netip.AddrFromSlice(n.Mask)
			return mask.Unmap()
		}
	}
	return netip.Addr{}
}
