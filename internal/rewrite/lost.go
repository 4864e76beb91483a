package rewrite

import (
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"netcap/pcapfile"
)

// thing is what a capture says beside the bytes of packets.
type thing uint8

const (
	_ thing = iota
	secrets
	journalEntry
	localBlock
	unknownBlock
	customBlock
	customOption
	otherOption
	packetHash
	comment
	name
	packetFlags
	dropCount
	statistics
	description
	machine
	number
	beside
	thingCount
)

var things = map[thing]struct{ one, many string }{
	secrets:      {"block of decryption secrets", "blocks of decryption secrets"},
	journalEntry: {"journal entry", "journal entries"},
	localBlock:   {"block for local use", "blocks for local use"},
	unknownBlock: {"block of an unknown type", "blocks of unknown types"},
	customBlock:  {"custom block", "custom blocks"},
	customOption: {"custom option", "custom options"},
	otherOption:  {"other option", "other options"},
	packetHash:   {"hash of a packet", "hashes of packets"},
	comment:      {"comment", "comments"},
	name:         {"name of an address", "names of addresses"},
	packetFlags:  {"packet's direction or flags", "packets' directions or flags"},
	dropCount:    {"count of packets dropped before one", "counts of packets dropped before one"},
	statistics:   {"interface's counters", "counters of interfaces"},
	description:  {"description of an interface", "descriptions of interfaces"},
	machine:      {"description of a machine", "descriptions of machines"},
	number:       {"number that can't be one", "numbers that can't be ones"},
	beside:       {"capture's description beyond 16 MiB", "captures' descriptions beyond 16 MiB"},
}

// reason is why something is left out.
type reason uint8

const (
	_ reason = iota
	noPlace
	notForCopies
	notOfThese
	joined
	otherByteOrder
	confidential
	tooMuch
	reasonCount
)

var reasons = map[reason]string{
	noPlace:        "pcap has no place for that: write pcapng to keep it",
	notForCopies:   "marked as not to be copied",
	notOfThese:     "of all packets of the original",
	joined:         "of a section that is one with others now",
	otherByteOrder: "in big-endian order, and of a kind that can't be converted",
	confidential:   "as the copy is scrubbed",
	tooMuch:        "more than is kept",
}

// change is what became of a packet's time.
type change uint8

const (
	_ change = iota
	untimed
	beyond
	coarser
	changeCount
)

var changes = map[change]struct{ one, many, text string }{
	untimed: {"packet", "packets", " without a time stamp now at 1970"},
	beyond:  {"time stamp", "time stamps", " moved to the nearest that the format has"},
	coarser: {"packet", "packets", " with a time stamp cut to the unit of the format"},
}

// losses counts what a capture said and the one written doesn't.
type losses struct {
	left    [reasonCount][thingCount]int64
	changed [changeCount]int64
}

func (l *losses) lose(what thing, why reason, n int) { l.left[why][what] += int64(n) }

// confidential reports whether a thing isn't in a scrubbed copy, or not in a bare one.
func (t thing) confidential(bare bool) bool {
	switch t {
	case secrets, journalEntry, localBlock, unknownBlock, customBlock, customOption, otherOption, packetHash:
		return true
	case comment, name, description, machine:
		return bare
	}
	return false
}

// String says it in a line for people, "" if there is nothing.
func (l *losses) String() string {
	count := func(n int64, one, many string) string {
		return humanize.Comma(n) + " " + english.PluralWord(int(min(n, 2)), one, many)
	}
	var parts []string
	for why, left := range l.left {
		var same []string
		for what, n := range left {
			if n > 0 {
				same = append(same, count(n, things[thing(what)].one, things[thing(what)].many))
			}
		}
		if len(same) > 0 {
			parts = append(parts, "left out: "+english.WordSeries(same, "and")+" ("+reasons[reason(why)]+")")
		}
	}
	for c, n := range l.changed {
		if n > 0 {
			of := changes[change(c)]
			parts = append(parts, count(n, of.one, of.many)+of.text)
		}
	}
	return strings.Join(parts, "; ")
}

// thingOf is what a block that isn't decoded is.
func thingOf(b *pcapfile.Block) thing {
	switch {
	case b.Type == pcapfile.BlockSecrets:
		return secrets
	case b.Type == pcapfile.BlockJournal:
		return journalEntry
	case b.Local():
		return localBlock
	}
	return unknownBlock
}
