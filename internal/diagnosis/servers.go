package diagnosis

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"netcap/internal/printable"
)

// server is a place where DICOM was spoken.
type server struct {
	titles map[string]bool // called AE titles with which associations were accepted
	open   map[string]int  // associations by who called, those that are open now
}

// servers are those known by now.
type servers map[netip.AddrPort]*server

// mostKnown bounds the titles and callers that are remembered of a server.
const mostKnown = 100

func (s servers) at(place netip.AddrPort) *server {
	if s[place] == nil {
		s[place] = &server{titles: make(map[string]bool), open: make(map[string]int)}
	}
	return s[place]
}

// speaks reports whether DICOM is spoken at a place: it was, or its port is for that.
func (s servers) speaks(place netip.AddrPort, ports []uint16) bool {
	return s[place] != nil || isDICOMPort(place.Port()) || slices.Contains(ports, place.Port())
}

func (s *server) accepted(title string) {
	if len(s.titles) < mostKnown {
		s.titles[title] = true
	}
}

func (s *server) opened(caller string) {
	if _, ok := s.open[caller]; ok || len(s.open) < mostKnown {
		s.open[caller]++
	}
}

func (s *server) closed(caller string) {
	if n, ok := s.open[caller]; ok && n > 1 {
		s.open[caller]--
	} else {
		delete(s.open, caller)
	}
}

// known says which called AE titles the server takes.
func (s *server) known() string {
	if len(s.titles) == 0 {
		return ""
	}
	var names []string
	for _, title := range slices.Sorted(maps.Keys(s.titles)) {
		names = append(names, printable.Text(title))
	}
	return "Known here: " + strings.Join(names, ", ") + "."
}

// holders says who has associations open.
func (s *server) holders() string {
	if len(s.open) == 0 {
		return ""
	}
	var names []string
	for _, caller := range slices.SortedFunc(maps.Keys(s.open), func(x, y string) int { return s.open[y] - s.open[x] }) {
		names = append(names, fmt.Sprintf("%d by %s", s.open[caller], printable.Text(caller)))
		if len(names) == 5 {
			break
		}
	}
	return "Open at that time: " + strings.Join(names, ", ") + "."
}

// isDICOMPort reports whether a port is one of those that DICOM is used at: 104 and 11112
// are registered for it, 2761 and 2762 for it in TLS and ISCL, 4242 is Orthanc's.
func isDICOMPort(port uint16) bool {
	switch port {
	case 104, 2761, 2762, 4242, 11112:
		return true
	}
	return false
}
