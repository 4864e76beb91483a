package diagnosis

import (
	"net/netip"
	"slices"
	"time"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
	"netcap/pcapfile"
)

// Config says what of the captures is wanted. A nil one is as the zero one.
type Config struct {
	// Ports and Hosts limit what is looked at to connections of one of these, if there
	// are any.
	Ports []uint16
	Hosts []netip.Addr
	// AE limits what is reported to associations of an application with this title, and
	// what is found to these; "" for all.
	AE string
	// Operations keeps each operation: some 400 bytes. Otherwise there is nothing but
	// Association.Summary.
	Operations bool
	// Instances keeps the UIDs of SOP instances, which lead to patients.
	Instances bool
	// MaxIdle is after how long an association, or another connection, that nothing is heard
	// of counts as ended, by the capture's time: never if it is 0.
	MaxIdle time.Duration

	// Ended is told of each association when it has ended, with what is wrong with it,
	// EndedConnection of each connection that became none, and Found of a machine that
	// nobody answers for. With all of them, and MaxIdle, an analysis needs no more memory
	// the longer it takes: the report hasn't got what they were told. The findings of an
	// association are of none but it: their Associations are 0. What they are given is
	// theirs.
	Ended           func(*Association, []*Finding)
	EndedConnection func(*Connection, []*Finding)
	Found           func(*Finding)
}

// An Analysis takes packets and makes a Report. It is used by one goroutine.
type Analysis struct {
	cfg     Config
	tracker *tcp.Tracker
	segment tcp.Segment
	report  Report
	first   int64 // times of packets, in nanoseconds; 0 for none
	last    int64
	files   []*File
	names   map[netip.Addr]string

	weight    int64 // of what is kept of associations
	strings   pool
	findings  findings
	servers   servers
	neighbors neighbors
	failed    []*Connection // whose server isn't known to speak DICOM, the last ones
	duplicate int64         // the first connection with segments that the capture has twice
}

// A File is one of those that packets are from.
type File struct {
	path    string
	index   int64
	packets int64
	names   int // of its addresses that are known
}

// packetBits are those of a tcp.Segment's number that tell the packet in its file; the
// others tell the file.
const packetBits = 40

// mostOpenConnections bounds the connections that are followed at once, of all protocols:
// of one that isn't DICOM 1 to 3 KiB are kept, of an association 4.
const mostOpenConnections = 20_000

// New begins an analysis.
func New(cfg *Config) *Analysis {
	a := &Analysis{names: make(map[netip.Addr]string), servers: servers{places: make(map[netip.AddrPort]*server), hosts: make(map[netip.Addr]bool)}}
	a.report.Associations, a.report.Connections = []*Association{}, []*Connection{}
	if cfg != nil {
		a.cfg = *cfg
	}
	a.tracker = tcp.New(&tcp.Config{Open: a.open, Service: dicom.IsPort, MaxConnections: mostOpenConnections, MaxIdle: int64(a.cfg.MaxIdle)})
	a.findings.place = a.place
	return a
}

// File announces a file, by the path that is reported.
func (a *Analysis) File(path string) *File {
	f := &File{path: path, index: int64(len(a.files))}
	a.files = append(a.files, f)
	return f
}

// Name says what an address is called from now on.
func (a *Analysis) Name(addr netip.Addr, name string) { a.names[addr.Unmap()] = name }

// Names says what addresses a file has names for by now: all of them, each time.
func (a *Analysis) Names(f *File, all []pcapfile.Name) {
	for _, n := range all[f.names:] {
		a.Name(n.Addr, n.Names[0])
	}
	f.names = len(all)
}

// Add takes the next packet of a file, of which it keeps nothing. Packets of all files
// come in the order of their times.
func (a *Analysis) Add(f *File, p *pcapfile.Packet) {
	f.packets++
	a.report.Capture.Packets++
	s := &a.segment
	s.Packet = f.index<<packetBits | f.packets
	kind := s.Read(p)
	if s.Time != 0 {
		if a.first == 0 || s.Time < a.first {
			a.first = s.Time
		}
		a.last = max(a.last, s.Time)
	}
	switch kind {
	case tcp.TCP:
		if a.wanted(s) {
			a.neighbors.seen(s)
			a.tracker.Segment(s)
		}
	case tcp.ICMP:
		if a.wanted(s) {
			a.tracker.ICMP(s)
		}
	case tcp.ARPRequest, tcp.ARPReply:
		if q := a.neighbors.add(kind, s); q != nil && a.cfg.Found != nil {
			a.tellNeighbor(q)
		}
	}
}

// wanted reports whether a segment is one of those that the Config wants.
func (a *Analysis) wanted(s *tcp.Segment) bool {
	if len(a.cfg.Ports) > 0 && !slices.Contains(a.cfg.Ports, s.Dst.Port()) && !slices.Contains(a.cfg.Ports, s.Src.Port()) {
		return false
	}
	return len(a.cfg.Hosts) == 0 || slices.Contains(a.cfg.Hosts, s.Src.Addr()) || slices.Contains(a.cfg.Hosts, s.Dst.Addr())
}

// Close ends the analysis: what is open is open at the end of the capture.
func (a *Analysis) Close() *Report {
	a.tracker.Close()
	if a.cfg.Found == nil {
		a.findNeighbors()
	}
	a.findCapture()
	r := &a.report
	r.Version = Version
	slices.SortStableFunc(r.Associations, func(x, y *Association) int { return x.Start.Compare(y.Start) })
	slices.SortStableFunc(r.Connections, func(x, y *Connection) int { return x.Start.Compare(y.Start) })
	r.Findings = a.findings.close(r.Associations)
	r.Capture.Files = []string{}
	for _, f := range a.files {
		r.Capture.Files = append(r.Capture.Files, f.path)
	}
	if a.first != 0 {
		from, to := at(a.first), at(a.last)
		r.Capture.From, r.Capture.To = &from, &to
	}
	return r
}

// place is where a segment is.
func (a *Analysis) place(packet int64) Place {
	return Place{a.files[packet>>packetBits].path, packet & (1<<packetBits - 1)}
}

func (a *Analysis) endpoint(addr netip.AddrPort) Endpoint {
	return Endpoint{addr.Addr(), addr.Port(), a.names[addr.Addr()]}
}

// at is a time in nanoseconds since the epoch as a Time.
func at(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// seconds are those from one time to another, none if that is earlier.
func seconds(from, to int64) float64 { return float64(max(0, to-from)) / 1e9 }
