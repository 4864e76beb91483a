package testenv

import (
	"bytes"
	"math"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Oddities are what tcpdump and capinfos themselves say of a capture of which netcap says, or
// writes, something else.
type Oddities struct {
	// Empty is the number of the first packet, from 1, that tcpdump prints as one that had no
	// byte on the wire; 0 is none. Zeros are no packet for netcap, and what follows is damaged.
	Empty int
	// Length says that some have fewer on the wire than were captured, none that is.
	Length bool
	// Times says that the fraction of some second is a second or more, by tcpdump, or that
	// times are farther apart than capinfos can tell, which is 2^31 seconds.
	Times bool
	// Late says that capinfos has times which a pcap file has no room for.
	Late bool
	// Version says that tcpdump refuses the version of the file, or of a section.
	Version bool
}

var (
	oddFraction = regexp.MustCompile(`(?m)^ *[0-9]+  [0-9]+\.([0-9]{0,5}|[0-9]{7,}) `)
	noPacket    = regexp.MustCompile(`(?m)^ *([0-9]+)  \[Invalid header: caplen==0, len==0\]`)
	oddVersion  = regexp.MustCompile(`unsupported pcap savefile version|unknown pcapng savefile major version`)
)

// OdditiesOf asks them. It is for tests in which what is expected doesn't hold.
func OdditiesOf(t testing.TB, path string) (o Oddities) {
	t.Helper()
	said, _ := exec.Command(Program(t, "tcpdump"), "-r", path, "-tt", "-n", "-#").CombinedOutput() // it may well fail
	if m := noPacket.FindSubmatch(said); m != nil {
		o.Empty, _ = strconv.Atoi(string(m[1])) // which are digits
	}
	o.Length = bytes.Contains(said, []byte("[Invalid header: len==0]"))
	o.Times = oddFraction.Match(said)
	o.Version = oddVersion.Match(said)
	table, err := exec.Command(Program(t, "capinfos"), "-T", "-r", "-M", "-S", "-a", "-e", path).Output()
	fields := strings.Split(strings.TrimSpace(string(table)), "\t")
	if err != nil || len(fields) != 3 {
		return o
	}
	second := func(text string) int64 {
		whole, _, _ := strings.Cut(text, ".")
		n, _ := strconv.ParseInt(whole, 10, 64) // n/a is no number
		return n
	}
	first, last := second(fields[1]), second(fields[2])
	o.Times = o.Times || max(first-last, last-first) > math.MaxInt32
	o.Late = max(first, last) > math.MaxUint32
	return o
}
