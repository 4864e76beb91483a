package report

import (
	"fmt"
	"io"
	"time"

	"netcap/internal/label"
	"netcap/pcapfile"
)

// Label reads a capture, which isn't compressed, and says what is in it. It returns nil for what
// is no capture, and for one that is damaged before its first packet.
func Label(r io.Reader) *label.Label {
	in, err := pcapfile.NewReader(r)
	if err != nil {
		return nil
	}
	w := newWalk(&InfoConfig{})
	err = w.run(in)
	info := w.info(in)
	info.Complete = err == nil && PassedOver(in) == ""
	return labelOf(info)
}

func labelOf(i *FileInfo) *label.Label {
	l := &label.Label{Packets: i.Packets, Dropped: i.Dropped, Whole: i.Complete, Closed: i.orderly()}
	if i.FirstPacket != nil {
		l.First, l.Last = *i.FirstPacket, *i.LastPacket
	}
	return l
}

// orderly reports whether a file that is whole was ended as its format has it.
func (i *FileInfo) orderly() bool { return i.closed || i.Format == pcapfile.PCAP.String() }

// contradicts says in what a label that a file has differs from what was found in it; "" if in
// nothing.
func contradicts(l *label.Label, i *FileInfo) string {
	found := labelOf(i)
	number := func(n *uint64) string {
		if n == nil {
			return "not recorded"
		}
		return fmt.Sprint(*n)
	}
	when := func(t time.Time) string {
		if t.IsZero() {
			return "none"
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	for _, c := range []struct{ what, said, is string }{
		{"packets", fmt.Sprint(l.Packets), fmt.Sprint(found.Packets)},
		{"first packet", when(l.First), when(found.First)},
		{"last packet", when(l.Last), when(found.Last)},
		{"dropped", number(l.Dropped), number(found.Dropped)},
	} {
		if c.said != c.is {
			return fmt.Sprintf("the label that it got when it was compressed says something else, %s: %s instead of %s", c.what, c.said, c.is)
		}
	}
	return ""
}
