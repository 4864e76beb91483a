package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"netcap/internal/dicom"
	"netcap/internal/printable"
)

// servers are the places where DICOM was spoken by now, and who spoke it.
type servers struct {
	places map[netip.AddrPort]*server
	hosts  map[netip.Addr]bool // of both sides
	// attempts are the last connections of such hosts that came to nothing, the oldest
	// first.
	attempts []attempt
}

// server is a place where DICOM was spoken.
type server struct {
	titles map[string]bool // called AE titles with which associations were accepted
	open   map[string]int  // associations by who called, those that are open now
}

// attempt is a connection that was refused or not answered, or an association that was
// rejected.
type attempt struct {
	by   netip.Addr
	when int64
	text string
}

// Bounds of what is remembered: of places, of the titles and callers of each, and of
// attempts.
const (
	mostPlaces   = 10_000
	mostKnown    = 100
	mostAttempts = 1000
)

// at is what is known of a place, where DICOM is spoken.
func (s *servers) at(place netip.AddrPort) *server {
	if known := s.places[place]; known != nil {
		return known
	}
	known := &server{titles: make(map[string]bool), open: make(map[string]int)}
	if len(s.places) < mostPlaces {
		s.places[place] = known
	}
	return known
}

// heard notes hosts that speak DICOM.
func (s *servers) heard(hosts ...netip.Addr) {
	for _, host := range hosts {
		if len(s.hosts) < mostPlaces {
			s.hosts[host] = true
		}
	}
}

// speaks reports whether DICOM is spoken at a place: it was, or its port is for that.
func (s *servers) speaks(place netip.AddrPort, ports []uint16) bool {
	return s.places[place] != nil || dicom.IsPort(place.Port()) || slices.Contains(ports, place.Port())
}

// tried notes an attempt.
func (s *servers) tried(a attempt) {
	if !s.hosts[a.by] {
		return
	}
	if len(s.attempts) == mostAttempts {
		s.attempts = slices.Delete(s.attempts, 0, mostAttempts/2)
	}
	s.attempts = append(s.attempts, a)
}

// attempt says what came of the first connection that a host tried in some time, "" if none
// failed.
func (s *servers) attempt(by netip.Addr, from, to int64) string {
	for _, a := range s.attempts {
		if a.by == by && a.when >= from && a.when <= to {
			return a.text
		}
	}
	return ""
}

// otherPorts names the ports of a machine at which DICOM is spoken.
func (s *servers) otherPorts(place netip.AddrPort) string {
	var ports []uint16
	for other := range s.places {
		if other.Addr() == place.Addr() && other != place {
			ports = append(ports, other.Port())
		}
	}
	const most = 5
	if len(ports) == 0 || len(ports) > most { // so many aren't servers' ports
		return ""
	}
	slices.Sort(ports)
	var names []string
	for _, port := range ports {
		names = append(names, strconv.Itoa(int(port)))
	}
	return "DICOM is spoken at its port " + strings.Join(names, ", ") + "."
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
		if names = append(names, printable.Text(title)); len(names) == 10 {
			break
		}
	}
	return "Known here: " + strings.Join(names, ", ") + "."
}

// holders says who has associations open, and how many.
func (s *server) holders() string {
	if len(s.open) == 0 {
		return ""
	}
	var names []string
	for _, caller := range slices.SortedFunc(maps.Keys(s.open), func(x, y string) int {
		return cmp.Or(cmp.Compare(s.open[y], s.open[x]), cmp.Compare(x, y))
	}) {
		names = append(names, fmt.Sprintf("%d by %s", s.open[caller], printable.Text(caller)))
		if len(names) == 5 {
			break
		}
	}
	return "Open at that time: " + strings.Join(names, ", ") + "."
}
