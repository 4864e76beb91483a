package filter

import "fmt"

// maxDepth bounds how deep an expression is nested: parentheses, not, operators.
const maxDepth = 1000

// A parser reads tokens by recursive descent.
//
// The grammar of pcap-filter(7) has an identifier where it has a term behind
// and, or, not and an opening parenthesis; it then takes the qualifiers of the
// term before. A number may begin either an identifier or a relation, and a
// parenthesis either of the three: startsIdentifier and startsRelation look
// ahead, and never far, as closing has the matching parentheses.
type parser struct {
	expr    string
	tokens  []token
	at      int
	closing []int // for an opening parenthesis, where it is closed
	depth   int
}

func parse(expr string) (term, error) {
	tokens, err := scan(expr)
	if err != nil {
		return nil, err
	}
	p := &parser{expr: expr, tokens: tokens, closing: make([]int, len(tokens))}
	var open []int
	for i, t := range tokens {
		switch {
		case t.is("("):
			open = append(open, i)
			p.closing[i] = len(tokens) - 1
			if len(open) > maxDepth {
				return nil, p.tooDeep(t)
			}
		case t.is(")") && len(open) > 0:
			p.closing[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
	}
	if p.peek().kind == tokEnd {
		return nil, nil
	}
	t, _, err := p.list(qualifiers{})
	if err != nil {
		return nil, err
	}
	if end := p.peek(); end.kind != tokEnd {
		return nil, p.unexpected(end, "and, or, or the end")
	}
	return t, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peekAt(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

func (p *parser) errorAt(s span, format string, args ...any) error {
	return &Error{Expr: p.expr, Pos: s.pos, Len: s.len, Msg: fmt.Sprintf(format, args...)}
}

func (p *parser) unexpected(t token, want string) error {
	return p.errorAt(t.span(), "expected %s, not %s", want, t)
}

func (t token) span() span { return span{t.pos, t.len} }

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.tooDeep(p.peek())
	}
	return nil
}

func (p *parser) tooDeep(t token) error {
	return &Error{
		Expr: p.expr, Pos: t.pos, Len: t.len,
		Msg: fmt.Sprintf("nested more than %d deep", maxDepth), Err: ErrTooComplex,
	}
}

func (p *parser) leave() { p.depth-- }

// list reads terms joined by and and or. It returns the qualifiers that an
// identifier behind it would take.
func (p *parser) list(inherited qualifiers) (term, qualifiers, error) {
	left, q, err := p.operand(inherited)
	if err != nil {
		return nil, q, err
	}
	changes := 0
	var current *listTerm
	for p.peek().is("and") || p.peek().is("or") {
		or := p.next().word == "or"
		var right term
		if right, q, err = p.operand(q); err != nil {
			return nil, q, err
		}
		if current == nil || current.or != or {
			if changes++; changes > maxDepth {
				return nil, q, &Error{
					Expr: p.expr, Pos: right.place().pos, Len: right.place().len,
					Msg: fmt.Sprintf("and and or alternate more than %d times", maxDepth), Err: ErrTooComplex,
				}
			}
			current = &listTerm{or: or, terms: []term{left}}
			left = current
		}
		current.terms = append(current.terms, right)
		current.span = current.terms[0].place().to(right.place())
	}
	return left, q, nil
}

// operand reads what stands between and and or: an identifier too, if there are
// qualifiers for it.
func (p *parser) operand(inherited qualifiers) (term, qualifiers, error) {
	if err := p.enter(); err != nil {
		return nil, inherited, err
	}
	defer p.leave()
	t := p.peek()
	switch {
	case t.is("!"):
		p.next()
		of, q, err := p.operand(inherited)
		if err != nil {
			return nil, q, err
		}
		return &notTerm{t.span().to(of.place()), of}, q, nil
	case p.startsIdentifier(p.at):
		if !inherited.valid {
			want := "a keyword such as host, port or tcp before it"
			return nil, inherited, p.errorAt(t.span(), "expected %s, %s has no qualifiers to go by", want, t)
		}
		id, err := p.identifier(inherited)
		return id, inherited, err
	case p.startsRelation(p.at):
		r, err := p.relation()
		return r, qualifiers{}, err
	case t.is("("):
		p.next()
		inner, _, err := p.list(inherited)
		if err != nil {
			return nil, inherited, err
		}
		if end := p.peek(); !end.is(")") {
			return nil, inherited, p.unexpected(end, "and, or, or a closing parenthesis")
		}
		p.next()
		return inner, inherited, nil
	}
	return p.primary()
}

// startsIdentifier tells whether an identifier begins at token n.
func (p *parser) startsIdentifier(n int) bool {
	for ; ; n++ {
		switch t := p.tokens[n]; {
		case t.kind == tokName, t.kind == tokDotted, t.kind == tokIPv6, t.kind == tokEther, t.kind == tokShort:
			return true
		case t.kind == tokNumber:
			return !p.calculates(n + 1)
		case t.is("("):
			if p.calculates(p.closing[n] + 1) {
				return false
			}
		case t.is("!"):
		default:
			return false
		}
	}
}

// calculates tells whether token n is an operator of a relation.
func (p *parser) calculates(n int) bool {
	if n >= len(p.tokens) || p.tokens[n].kind != tokOperator {
		return false
	}
	switch p.tokens[n].word {
	case "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "=", "!=", "<", "<=", ">", ">=":
		return true
	}
	return false
}

// startsRelation tells whether a relation begins at token n.
func (p *parser) startsRelation(n int) bool {
	t := p.tokens[n]
	switch {
	case t.kind == tokNumber, t.is("len"), t.is("-"):
		return true
	case t.is("("):
		return p.calculates(p.closing[n] + 1)
	}
	return t.kind == tokKeyword && isProtocol(t.word) && p.tokens[n+1].is("[")
}

// identifier reads an identifier, or several in parentheses.
func (p *parser) identifier(q qualifiers) (term, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	t := p.next()
	prim := &primitive{span: t.span(), quals: q, id: t}
	switch {
	case t.is("!"):
		of, err := p.identifier(q)
		if err != nil {
			return nil, err
		}
		return &notTerm{t.span().to(of.place()), of}, nil
	case t.is("("):
		return p.identifiers(q)
	case t.kind == tokDotted && p.peek().is("mask"):
		p.next()
		prim.mask = p.next()
		if prim.mask.kind != tokDotted {
			return nil, p.unexpected(prim.mask, "a network mask with dots")
		}
		prim.span = t.span().to(prim.mask.span())
	case (t.kind == tokDotted || t.kind == tokIPv6) && p.peek().is("/"):
		p.next()
		prim.mask, prim.slash = p.next(), true
		if prim.mask.kind != tokNumber {
			return nil, p.unexpected(prim.mask, "the number of bits of a network prefix")
		}
		prim.span = t.span().to(prim.mask.span())
	case t.kind == tokName, t.kind == tokNumber, t.kind == tokDotted,
		t.kind == tokIPv6, t.kind == tokEther, t.kind == tokShort:
	default:
		return nil, p.unexpected(t, "a name, a number or an address")
	}
	return prim, nil
}

// identifiers reads what follows an opening parenthesis: identifiers joined by
// and and or. The first can't be such a list itself, as in libpcap.
func (p *parser) identifiers(q qualifiers) (term, error) {
	if p.peek().is("(") && p.tokens[p.pastOpening(p.at)].kind != tokNumber {
		return nil, p.unexpected(p.peek(), "a name, a number or an address")
	}
	left, err := p.identifier(q)
	if err != nil {
		return nil, err
	}
	var current *listTerm
	for p.peek().is("and") || p.peek().is("or") {
		or := p.next().word == "or"
		right, err := p.identifier(q)
		if err != nil {
			return nil, err
		}
		if current == nil || current.or != or {
			if err := p.enter(); err != nil {
				return nil, err
			}
			defer p.leave()
			current = &listTerm{or: or, terms: []term{left}}
			left = current
		}
		current.terms = append(current.terms, right)
		current.span = current.terms[0].place().to(right.place())
	}
	if end := p.peek(); !end.is(")") {
		return nil, p.unexpected(end, "and, or, or a closing parenthesis")
	}
	p.next()
	return left, nil
}

// pastOpening is the first token from n on that is no opening parenthesis.
func (p *parser) pastOpening(n int) int {
	for p.tokens[n].is("(") {
		n++
	}
	return n
}

// plainNumber reads a number, possibly in parentheses.
func (p *parser) plainNumber(what string) (token, error) {
	depth := 0
	for p.peek().is("(") {
		p.next()
		depth++
	}
	t := p.next()
	if t.kind != tokNumber {
		return t, p.unexpected(t, what)
	}
	for ; depth > 0; depth-- {
		if end := p.next(); !end.is(")") {
			return t, p.unexpected(end, "a closing parenthesis")
		}
	}
	return t, nil
}
