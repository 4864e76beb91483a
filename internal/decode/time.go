package decode

import "time"

// TimeStyle is how times are printed, in microseconds. The numbers are those
// of tcpdump's -t flags.
type TimeStyle int

// The styles that tcpdump has.
const (
	TimeOfDay  TimeStyle = iota // 13:04:05.123456
	TimeNone                    // nothing
	TimeUnix                    // seconds since the epoch
	TimeDelta                   // since the packet before
	TimeDate                    // 2026-11-23 13:04:05.123456
	TimeOffset                  // since the first packet
)

// Packets need not have a time: pcapng's Simple Packet Block has none.
var unknownTime = map[TimeStyle]string{
	TimeOfDay:  "--:--:--.------ ",
	TimeUnix:   "----------.------ ",
	TimeDelta:  " --:--:--.------ ",
	TimeDate:   "----------" + " --:--:--.------ ",
	TimeOffset: " --:--:--.------ ",
}

// After says that other packets came before the next one, printed by others: the first of
// all of them, and the latest. Zero times say that there were none.
func (p *Printer) After(first, latest time.Time) { p.first, p.previous = first, latest }

func (p *Printer) time() {
	if p.Time == TimeNone {
		return
	}
	p.color(sgrTime)
	p.timeText()
	p.color(sgrReset)
}

func (p *Printer) timeText() {
	if !p.pk.HasTime {
		p.text(unknownTime[p.Time])
		return
	}
	t := p.pk.Time
	if p.first.IsZero() {
		p.first, p.previous = t, t
	}
	switch p.Time {
	case TimeOfDay:
		p.clock(t, "15:04:05")
	case TimeUnix:
		p.int(t.Unix()).text(".").micros(t)
	case TimeDelta:
		p.interval(t.Sub(p.previous))
	case TimeDate:
		p.clock(t, "2006-01-02 15:04:05")
	case TimeOffset:
		p.interval(t.Sub(p.first))
	}
	p.previous = t
}

// A clockText is the text of a second; most packets are of the second of the one before.
type clockText struct {
	second   int64
	location *time.Location
	layout   string
	text     []byte
}

func (p *Printer) clock(t time.Time, layout string) {
	location := p.Location
	if location == nil {
		location = time.Local
	}
	c := &p.clocked
	if second := t.Unix(); second != c.second || location != c.location || layout != c.layout {
		c.second, c.location, c.layout = second, location, layout
		c.text = t.In(location).AppendFormat(c.text[:0], layout)
	}
	p.out = append(p.out, c.text...)
	p.text(".").micros(t)
}

// micros prints the microseconds of a time.
func (p *Printer) micros(t time.Time) {
	n := uint32(t.Nanosecond()) / 1000
	digits := [7]byte{6: ' '}
	for i := 5; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	p.out = append(p.out, digits[:]...)
}

func (p *Printer) interval(d time.Duration) {
	sign := " "
	if d < 0 {
		// A duration is at least -1<<63, which has no opposite.
		sign, d = "-", max(d, -1<<63+1)*-1
	}
	p.text(sign).padded(int(d/time.Hour), 2).text(":").padded(int(d/time.Minute%60), 2)
	p.text(":").padded(int(d/time.Second%60), 2).text(".").padded(int(d/time.Microsecond%1_000_000), 6).text(" ")
}
