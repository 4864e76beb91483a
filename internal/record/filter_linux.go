package record

import (
	"net"
	"net/netip"

	"golang.org/x/net/bpf"

	"netcap/capture"
	"netcap/capture/filter"
	"netcap/pcapfile"
)

// filter is the program for an interface as it is now, or nil if there is no
// filter. It is compiled once for a kind of interface, so that names mean the same
// as long as the recording lasts.
func (s *source) filter(device string) ([]bpf.RawInstruction, error) {
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
	s.programs[kind] = p.Instructions()
	return s.programs[kind], nil
}

// CompileFilter compiles a filter as a recording of that interface would.
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
		LinkType: filter.LinkType(kind), SnapLen: snapLen, Netmask: netmask(name), Live: true, Mixed: name == capture.Any,
	})
}

// netmask is the mask of an interface's first IPv4 address, if it has one.
func netmask(name string) netip.Addr {
	ifi, err := net.InterfaceByName(name)
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
