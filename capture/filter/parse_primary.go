package filter

import "slices"

// protocols are the words that may stand before other qualifiers, or by
// themselves for packets of that protocol.
var protocols = []string{
	"link", "ip", "arp", "rarp", "sctp", "tcp", "udp", "icmp", "igmp", "igrp", "pim", "vrrp",
	"carp", "atalk", "aarp", "decnet", "lat", "sca", "mopdl", "moprc", "ip6", "icmp6", "ah", "esp",
	"iso", "esis", "isis", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "clnp", "stp", "ipx",
	"netbeui", "radio",
}

func isProtocol(word string) bool { return slices.Contains(protocols, word) }

var (
	directions = []string{"src", "dst", "addr1", "addr2", "addr3", "addr4", "ra", "ta"}
	kinds      = []string{"host", "net", "port", "portrange"}
	bareKinds  = []string{"proto", "protochain", "gateway"}
)

// primary reads a term that begins with a keyword.
func (p *parser) primary() (term, qualifiers, error) {
	t := p.peek()
	if t.kind != tokKeyword {
		return nil, qualifiers{}, p.unexpected(t, "a term of a filter expression")
	}
	if isProtocol(t.word) {
		p.next()
		switch next := p.peek(); {
		case next.kind == tokKeyword && slices.Contains([]string{"broadcast", "multicast", "type", "subtype", "dir"}, next.word):
			k, err := p.keyword(t)
			return k, qualifiers{}, err
		case !startsQualifier(next):
			return &protoTerm{t.span(), t}, qualifiers{}, nil
		}
		return p.qualified(t)
	}
	if startsQualifier(t) {
		return p.qualified(token{})
	}
	k, err := p.keyword(token{})
	return k, qualifiers{}, err
}

func startsQualifier(t token) bool {
	return t.kind == tokKeyword &&
		(slices.Contains(directions, t.word) || slices.Contains(kinds, t.word) || slices.Contains(bareKinds, t.word))
}

// qualified reads the qualifiers behind a protocol, or without one, and what
// they belong to.
func (p *parser) qualified(proto token) (term, qualifiers, error) {
	q := qualifiers{proto: proto, valid: true, span: p.peek().span()}
	if proto.len > 0 {
		q.span = proto.span().to(q.span)
	}
	if t := p.peek(); t.kind == tokKeyword && slices.Contains(directions, t.word) {
		p.next()
		q.dir = t.word
		joint, other := p.peek(), p.peekAt(1)
		if (t.word == "src" || t.word == "dst") && (joint.is("or") || joint.is("and")) {
			if t.word == other.word || !other.is("src") && !other.is("dst") {
				want := "dst"
				if t.word == "dst" {
					want = "src"
				}
				return nil, q, p.unexpected(other, want)
			}
			p.next()
			p.next()
			q.dir = joint.word
		}
	}
	if t := p.peek(); t.kind == tokKeyword &&
		(slices.Contains(kinds, t.word) || q.dir == "" && slices.Contains(bareKinds, t.word)) {
		p.next()
		q.kind = t.word
	}
	q.span = q.span.to(p.tokens[p.at-1].span())
	id, err := p.identifier(q)
	return id, q, err
}

// keyword reads a term that is a keyword with its arguments.
func (p *parser) keyword(proto token) (term, error) {
	k := &keywordTerm{proto: proto, keyword: p.next()}
	start := k.keyword.span()
	if proto.len > 0 {
		start = proto.span()
	}
	err := p.arguments(k)
	k.span = start.to(p.tokens[p.at-1].span())
	return k, err
}

func (p *parser) arguments(k *keywordTerm) error {
	take := func(what string, kinds ...tokenKind) error {
		t := p.peek()
		if !slices.Contains(kinds, t.kind) {
			return p.unexpected(t, what)
		}
		k.args = append(k.args, p.next())
		return nil
	}
	switch word := k.keyword.word; word {
	case "broadcast", "multicast", "inbound", "outbound", "pppoed",
		"lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic",
		"connectmsg", "metaconnect",
		"fisu", "lssu", "msu", "hfisu", "hlssu", "hmsu":
		return nil
	case "less", "greater":
		return take("a length in bytes", tokNumber)
	case "ifindex":
		return take("the number of an interface", tokNumber)
	case "rnr", "srnr":
		return take("the number of a rule", tokNumber)
	case "byte":
		if err := take("the offset of a byte", tokNumber); err != nil {
			return err
		}
		if t := p.peek(); !t.is("&") && !t.is("|") && !t.is("<") && !t.is(">") && !t.is("=") {
			return p.unexpected(t, "one of & | < > =")
		}
		k.field = p.next().word
		return take("the value of a byte", tokNumber)
	case "vlan", "mpls", "pppoes", "geneve", "vxlan":
		if t := p.peek(); t.kind != tokNumber && !t.is("(") {
			return nil
		}
		t, err := p.plainNumber("a number")
		k.args = append(k.args, t)
		return err
	case "llc":
		if t := p.peek(); t.kind == tokName || t.is("rnr") {
			k.args = append(k.args, p.next())
		}
		return nil
	case "ifname", "ruleset":
		return take("a name", tokName)
	case "reason":
		return take("a number or the name of a reason", tokName, tokNumber)
	case "action":
		return take("the name of an action", tokName)
	case "type":
		if err := take("a frame type, a name or a number", tokName, tokNumber); err != nil {
			return err
		}
		if p.peek().is("subtype") {
			p.next()
			return take("a frame subtype, a name or a number", tokName, tokNumber)
		}
		return nil
	case "subtype":
		return take("the name of a frame subtype", tokName)
	case "dir":
		return take("a direction, a name or a number", tokName, tokNumber)
	case "vpi", "vci", "sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls":
		return p.field(k)
	}
	return p.unexpected(k.keyword, "a term of a filter expression")
}

// field reads the relation of a field keyword: a number, a relation with one, or
// several in parentheses.
func (p *parser) field(k *keywordTerm) error {
	number := func() error {
		t := p.next()
		if t.kind != tokNumber {
			return p.unexpected(t, "a number")
		}
		k.args = append(k.args, t)
		return nil
	}
	k.field = "="
	switch t := p.peek(); {
	case t.kind == tokOperator && slices.Contains([]string{"=", "!=", "<", "<=", ">", ">="}, t.word):
		k.field = p.next().word
		return number()
	case t.is("("):
		p.next()
		if err := number(); err != nil {
			return err
		}
		for p.peek().is("or") {
			p.next()
			if err := number(); err != nil {
				return err
			}
		}
		if end := p.next(); !end.is(")") {
			return p.unexpected(end, "or, or a closing parenthesis")
		}
		return nil
	}
	return number()
}
