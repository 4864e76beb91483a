package decode

// Identifiers of the basic encoding rules, X.690 section 8.1.2.
const (
	berInteger     = 0x02
	berOctetString = 0x04
	berOID         = 0x06
	berSequence    = 0x30
)

// A berValue is an identifier of one byte, and what follows it.
type berValue struct {
	tag  byte
	body view // its length may exceed what is there
	size int  // of all
}

// ber reads the value that v begins with.
func ber(v view) (value berValue, ok bool) {
	if len(v.data) < 2 {
		return value, false
	}
	header, length := 2, int(v.data[1])
	if length >= 0x80 {
		n := length & 0x7f
		if n < 1 || n > 3 || len(v.data) < 2+n {
			return value, false
		}
		length = 0
		for _, c := range v.data[2 : 2+n] {
			length = length<<8 | int(c)
		}
		header += n
	}
	body := v.after(header).first(length)
	body.length = length
	return berValue{v.data[0], body, header + length}, true
}

// number is a small integer.
func (b *berValue) number() (n int, ok bool) {
	if len(b.body.data) < 1 || len(b.body.data) > 3 || len(b.body.data) < b.body.length {
		return 0, false
	}
	for _, c := range b.body.data {
		n = n<<8 | int(c)
	}
	return n, true
}

// take reads a value of one identifier, and goes behind it.
func (v *view) take(tag byte) (value berValue, ok bool) {
	value, ok = ber(*v)
	if !ok || value.tag != tag {
		return value, false
	}
	*v = v.after(value.size)
	return value, true
}

// snmpPDUs are the PDUs of RFC 3416 section 3 and RFC 1157 section 4.1.
var snmpPDUs = [...]string{
	"GetRequest", "GetNextRequest", "GetResponse", "SetRequest", "Trap", "GetBulk", "InformRequest",
	"V2Trap", "Report",
}

const (
	snmpPDU     = 0xa0 // the identifier of the first
	snmpGetBulk = 0xa5
)

// snmp names the PDU of an SNMP message. A community is as good as a password, and is
// not printed.
func (p *Printer) snmp(v view) bool {
	if len(v.data) < 5 && len(v.data) < v.length {
		p.protocol = "snmp"
		p.text("  ")
		p.cut("snmp")
		return true
	}
	message, ok := v.take(berSequence)
	if !ok {
		return false
	}
	rest := message.body
	number, ok := rest.take(berInteger)
	if !ok {
		return false
	}
	version, ok := number.number()
	if !ok || version > 3 {
		return false
	}
	p.protocol = "snmp"
	if version == 3 {
		p.text("UDP").length(message.size).text(": SNMPv3")
		return true
	}
	if _, ok := rest.take(berOctetString); !ok {
		p.text("  ")
		p.cut("snmp")
		return true
	}
	pdu, ok := ber(rest)
	if !ok || pdu.tag < snmpPDU || int(pdu.tag-snmpPDU) >= len(snmpPDUs) {
		p.text("  ")
		p.cut("snmp")
		return true
	}
	p.text(" ").text(snmpPDUs[pdu.tag-snmpPDU]).text("(").int(int64(pdu.body.length)).text(") ")
	p.variables(pdu)
	if len(v.data) < v.length || message.body.length > len(message.body.data) {
		p.text(" ")
		p.cut("snmp")
	}
	return true
}

// variables prints what a PDU is about, and of a response the integers too.
func (p *Printer) variables(pdu berValue) {
	rest := pdu.body
	var numbers [3]int // request ID, error status, error index
	for i := range numbers {
		number, ok := rest.take(berInteger)
		if !ok {
			return
		}
		numbers[i], _ = number.number() // request IDs are longer, and not printed
	}
	if pdu.tag == snmpGetBulk { // which has other numbers there
		p.text(" N=").int(int64(numbers[1])).text(" M=").int(int64(numbers[2]))
	}
	list, ok := rest.take(berSequence)
	if !ok {
		return
	}
	rest = list.body
	for printed := 0; len(rest.data) > 0; printed++ {
		variable, ok := rest.take(berSequence)
		if !ok {
			return
		}
		oid, ok := ber(variable.body)
		if !ok || oid.tag != berOID {
			return
		}
		if printed == 4 {
			p.text(" …")
			return
		}
		p.text(" ").oid(oid.body.data)
	}
}

// oid prints an object identifier, X.690 section 8.19.
func (p *Printer) oid(b []byte) *Printer {
	b = b[:min(len(b), 64)]
	var n uint32
	for i, first := 0, true; i < len(b); i++ {
		n = n<<7 | uint32(b[i]&0x7f)
		if b[i]&0x80 != 0 {
			continue
		}
		if first {
			root := min(n/40, 2)
			p.text(".").uint(root)
			n -= root * 40
			first = false
		}
		p.text(".").uint(n)
		n = 0
	}
	return p
}

func isLDAP(port uint16) bool { return port == 389 || port == 3268 }

// ldapOperations are by the number in the identifier, RFC 4511 section 4.2.
var ldapOperations = [...]string{
	0: "BindRequest", 1: "BindResponse", 2: "UnbindRequest", 3: "SearchRequest", 4: "SearchResultEntry",
	5: "SearchResultDone", 6: "ModifyRequest", 7: "ModifyResponse", 8: "AddRequest", 9: "AddResponse",
	10: "DelRequest", 11: "DelResponse", 12: "ModifyDNRequest", 13: "ModifyDNResponse",
	14: "CompareRequest", 15: "CompareResponse", 16: "AbandonRequest", 19: "SearchResultReference",
	23: "ExtendedRequest", 24: "ExtendedResponse", 25: "IntermediateResponse",
}

// ldap names the operation of an LDAP message, RFC 4511 section 4.1.1.
func (p *Printer) ldap(v view) {
	const application, class = 0x40, 0xc0
	message, ok := v.take(berSequence)
	if !ok {
		return
	}
	rest := message.body
	if _, ok := rest.take(berInteger); !ok || len(rest.data) == 0 || rest.data[0]&class != application {
		return
	}
	operation := int(rest.data[0] & 0x1f)
	if operation >= len(ldapOperations) || ldapOperations[operation] == "" {
		return
	}
	p.protocol = "ldap"
	p.text(": LDAP ").text(ldapOperations[operation])
}
