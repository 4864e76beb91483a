package decode

import (
	"strconv"

	"netcap/pcapfile"
)

// captured prints where a packet was captured, in columns, as tcpdump does for
// -i any. An interface without a name is printed by number.
func (p *Printer) captured(name string, number int, direction string) {
	if name == "" {
		name = "#" + strconv.Itoa(number)
	}
	p.pad(name, 5).text(" ")
	p.pad(direction, 3).text(" ")
}

// Directions as tcpdump writes them; B, M and P came in, to everybody, to a
// group and to somebody else.
const (
	dirIn        = "In"
	dirOut       = "Out"
	dirBroadcast = "B"
	dirMulticast = "M"
	dirOther     = "P"
	dirUnknown   = "?"
)

func direction(f pcapfile.Flags) string {
	switch {
	case f.Direction() == pcapfile.FlagOutbound:
		return dirOut
	case f.Reception() == pcapfile.FlagBroadcast:
		return dirBroadcast
	case f.Reception() == pcapfile.FlagMulticast:
		return dirMulticast
	case f.Reception() == pcapfile.FlagPromiscuous:
		return dirOther
	case f.Direction() == pcapfile.FlagInbound, f.Reception() == pcapfile.FlagUnicast:
		return dirIn
	}
	return dirUnknown
}

// packetType is the direction by a PACKET_ number, packet(7).
func packetType(n uint8) string {
	names := [...]string{dirIn, dirBroadcast, dirMulticast, dirOther, dirOut}
	if int(n) < len(names) {
		return names[n]
	}
	return dirUnknown
}
