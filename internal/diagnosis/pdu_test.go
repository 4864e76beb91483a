package diagnosis_test

import (
	"encoding/binary"
	"slices"
	"time"
)

// UIDs of PS3.6 annex A.
const (
	ctImage      = "1.2.840.10008.5.1.4.1.1.2"
	mrImage      = "1.2.840.10008.5.1.4.1.1.4"
	verification = "1.2.840.10008.1.1"
	studyFind    = "1.2.840.10008.5.1.4.1.2.2.1"
	studyMove    = "1.2.840.10008.5.1.4.1.2.2.2"
	studyGet     = "1.2.840.10008.5.1.4.1.2.2.3"
	commitment   = "1.2.840.10008.1.20.1"
	mpps         = "1.2.840.10008.3.1.2.3.3"

	implicitLittle = "1.2.840.10008.1.2"
	explicitLittle = "1.2.840.10008.1.2.1"
	jpegBaseline   = "1.2.840.10008.1.2.4.50"
)

// Commands of PS3.7 section E.1.
const (
	cStore       = 0x0001
	cGet         = 0x0010
	cFind        = 0x0020
	cMove        = 0x0021
	cEcho        = 0x0030
	nEventReport = 0x0100
	nGet         = 0x0110
	nSet         = 0x0120
	nAction      = 0x0130
	nCreate      = 0x0140
	nDelete      = 0x0150
	cCancel      = 0x0fff
	response     = 0x8000
)

// pdu puts a header before a body, PS3.8 section 9.3.1.
func pdu(kind byte, body ...[]byte) []byte {
	b := slices.Concat(body...)
	return append(binary.BigEndian.AppendUint32([]byte{kind, 0}, uint32(len(b))), b...)
}

// item puts a header before a part of an A-ASSOCIATE-RQ or -AC, PS3.8 section 9.3.2.
func item(kind byte, body ...[]byte) []byte {
	b := slices.Concat(body...)
	return append(binary.BigEndian.AppendUint16([]byte{kind, 0}, uint16(len(b))), b...)
}

// context is a presentation context: with a result, what became of it.
type context struct {
	id       byte
	abstract string
	transfer []string
	result   byte
}

// request is an A-ASSOCIATE-RQ.
type request struct {
	calling, called string
	contexts        []context
	maxPDU          uint32
	user            []byte // more items of the user information
}

func (r request) bytes() []byte {
	return r.pdu(1, func(c context) []byte {
		b := item(0x30, []byte(c.abstract))
		for _, uid := range c.transfer {
			b = append(b, item(0x40, []byte(uid))...)
		}
		return item(0x20, []byte{c.id, 0, 0, 0}, b)
	})
}

// answer is an A-ASSOCIATE-AC of it.
func (r request) answer() []byte {
	return r.pdu(2, func(c context) []byte {
		return item(0x21, []byte{c.id, 0, c.result, 0}, item(0x40, []byte(c.transfer[0])))
	})
}

func (r request) pdu(kind byte, context func(context) []byte) []byte {
	title := func(s string) []byte { return []byte((s + "                ")[:16]) }
	var contexts []byte
	for _, c := range r.contexts {
		contexts = append(contexts, context(c)...)
	}
	user := item(0x51, binary.BigEndian.AppendUint32(nil, r.maxPDU))
	user = append(user, item(0x52, []byte("1.2.3.4"))...)
	user = append(user, item(0x55, []byte("MADE_1"))...)
	return pdu(kind, []byte{0, 1, 0, 0}, title(r.called), title(r.calling), make([]byte, 32),
		item(0x10, []byte("1.2.840.10008.3.1.1.1")), contexts, item(0x50, user, r.user))
}

// identity is the user identity negotiation of PS3.7 section D.3.3.7.
func identity(kind byte, user, passcode string) []byte {
	sized := func(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }
	return item(0x58, []byte{kind, 0}, sized(user), sized(passcode))
}

func reject(result, source, reason byte) []byte { return pdu(3, []byte{0, result, source, reason}) }
func releaseRQ() []byte                         { return pdu(5, make([]byte, 4)) }
func releaseRP() []byte                         { return pdu(6, make([]byte, 4)) }
func abort(source, reason byte) []byte          { return pdu(7, []byte{0, 0, source, reason}) }

// value is a presentation data value, PS3.8 section 9.3.5.1.
func value(context, flags byte, b []byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(b)+2)), context, flags), b...)
}

// element is one of a command set, in implicit VR little endian: PS3.7 section 6.3.1.
func element(number uint16, b []byte) []byte {
	h := binary.LittleEndian.AppendUint16([]byte{0, 0}, number)
	return append(binary.LittleEndian.AppendUint32(h, uint32(len(b))), b...)
}

func short(number, v uint16) []byte { return element(number, binary.LittleEndian.AppendUint16(nil, v)) }

func text(number uint16, s string) []byte {
	if len(s)%2 == 1 {
		s += "\x00"
	}
	return element(number, []byte(s))
}

// command is a command set. Its data set is announced, if there is to be one.
func command(field, id uint16, data bool, more ...[]byte) []byte {
	kind := uint16(0x0101)
	if data {
		kind = 1
	}
	number := uint16(0x0110)
	if field&response != 0 || field == cCancel {
		number = 0x0120
	}
	b := slices.Concat(short(0x0100, field), short(number, id), short(0x0800, kind), slices.Concat(more...))
	return append(element(0, binary.LittleEndian.AppendUint32(nil, uint32(len(b)))), b...)
}

// status is the element of responses.
func status(n uint16) []byte { return short(0x0900, n) }

// class is the affected SOP class.
func class(uid string) []byte { return text(0x0002, uid) }

// instance is the affected SOP instance.
func instance(uid string) []byte { return text(0x1000, uid) }

// suboperations are what a response to C-MOVE or C-GET counts.
func suboperations(remaining, completed, failed, warning uint16) []byte {
	return slices.Concat(short(0x1020, remaining), short(0x1021, completed), short(0x1022, failed), short(0x1023, warning))
}

// message is P-DATA-TFs of at most so many bytes with a command set and a data set of a
// size, which is left out if it is below 0.
func message(context byte, set []byte, data, most int) []byte {
	b := pdu(4, value(context, 3, set))
	for data >= 0 {
		n := min(data, most-6)
		flags := byte(0)
		if data -= n; data == 0 {
			flags, data = 2, -1
		}
		b = append(b, pdu(4, value(context, flags, pixels[:n]))...)
	}
	return b
}

// pixels are data sets.
var pixels = make([]byte, 1<<20)

// peers is an association between two applications over a line.
type peers struct {
	*line
	request request
	id      uint16
}

// storage is what most of the requests here are.
func storage() request {
	return request{calling: "CT01", called: "PACS", maxPDU: 16384, contexts: []context{
		{1, verification, []string{implicitLittle}, 0},
		{3, ctImage, []string{explicitLittle, implicitLittle}, 0},
	}}
}

// associate has a line accept a request.
func (l *line) associate(r request) *peers {
	l.send(client, r.bytes())
	l.pass(time.Millisecond)
	l.send(server, r.answer())
	l.pass(time.Millisecond)
	return &peers{line: l, request: r}
}

// open is associate over a new connection.
func (tr *traffic) open(from, to string) *peers { return tr.connect(from, to).associate(storage()) }

// store is a C-STORE of a CT image, by one side.
func (p *peers) store(from, size int, answer uint16, more ...[]byte) {
	p.id++
	p.storeRQ(from, p.id, size)
	p.pass(2 * time.Millisecond)
	p.send(1-from, message(3, command(cStore|response, p.id, false, append(more, class(ctImage), status(answer))...), -1, 16384))
	p.pass(time.Millisecond)
}

func (p *peers) storeRQ(from int, id uint16, size int) {
	p.send(from, message(3, command(cStore, id, true, class(ctImage), instance("1.2.3.4.5.6")), size, 16384))
}

// echo is a C-ECHO that is answered so late.
func (p *peers) echo(late time.Duration) {
	p.id++
	p.send(client, message(1, command(cEcho, p.id, false, class(verification)), -1, 16384))
	p.pass(late)
	p.send(server, message(1, command(cEcho|response, p.id, false, class(verification), status(0)), -1, 16384))
	p.pass(time.Millisecond)
}

// release ends the association as it should be, and the connection.
func (p *peers) release() {
	p.send(client, releaseRQ())
	p.pass(100 * time.Microsecond)
	p.send(server, releaseRP())
	p.close(client)
}
