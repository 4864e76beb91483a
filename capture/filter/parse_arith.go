package filter

// precedence of arithmetic operators, the higher the tighter. % and ^ have none:
// libpcap's grammar leaves it open, and its parser then takes everything behind
// them as their right operand, whatever stands before.
func precedence(t token) (level int, open, ok bool) {
	if t.kind != tokOperator {
		return 0, false, false
	}
	switch t.word {
	case "|":
		return 1, false, true
	case "&":
		return 2, false, true
	case "<<", ">>":
		return 3, false, true
	case "+", "-":
		return 4, false, true
	case "*", "/":
		return 5, false, true
	case "%", "^":
		return 0, true, true
	}
	return 0, false, false
}

const (
	loosest = 1
	unary   = 6
)

// relation reads two arithmetic expressions with a comparison between.
func (p *parser) relation() (term, error) {
	l, err := p.arith(loosest)
	if err != nil {
		return nil, err
	}
	op := p.peek()
	switch {
	case op.is("="), op.is("!="), op.is("<"), op.is("<="), op.is(">"), op.is(">="):
		p.next()
	default:
		return nil, p.unexpected(op, "a comparison, as in ip[8] < 5")
	}
	r, err := p.arith(loosest)
	if err != nil {
		return nil, err
	}
	return &relation{l.place().to(r.place()), op, l, r}, nil
}

// arith reads an expression of operators that bind at least as tight as level.
func (p *parser) arith(level int) (arith, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.arithPrimary()
	if err != nil {
		return nil, err
	}
	for chain := 0; ; chain++ {
		op := p.peek()
		at, open, ok := precedence(op)
		if !ok || !open && at < level {
			return left, nil
		}
		if chain > maxDepth {
			return nil, &Error{Expr: p.expr, Pos: op.pos, Len: op.len, Msg: "too many operators in a row", Err: ErrTooComplex}
		}
		p.next()
		inner := at + 1
		if open {
			inner = loosest
		}
		right, err := p.arith(inner)
		if err != nil {
			return nil, err
		}
		left = &binaryArith{left.place().to(right.place()), op, left, right}
	}
}

func (p *parser) arithPrimary() (arith, error) {
	t := p.next()
	switch {
	case t.kind == tokNumber:
		return &numberArith{t.span(), t.num}, nil
	case t.is("len"):
		return &lengthArith{t.span()}, nil
	case t.is("-"):
		of, err := p.arith(unary)
		if err != nil {
			return nil, err
		}
		return &negArith{t.span().to(of.place()), of}, nil
	case t.is("("):
		inner, err := p.arith(loosest)
		if err != nil {
			return nil, err
		}
		if end := p.next(); !end.is(")") {
			return nil, p.unexpected(end, "an operator or a closing parenthesis")
		}
		return inner, nil
	case t.kind == tokKeyword && isProtocol(t.word) && p.peek().is("["):
		p.next()
		return p.load(t)
	}
	return nil, p.unexpected(t, "a number, len, or a part of the packet such as ip[8:2]")
}

// load reads the rest of proto[index:size] behind the opening bracket.
func (p *parser) load(proto token) (arith, error) {
	index, err := p.arith(loosest)
	if err != nil {
		return nil, err
	}
	l := &loadArith{proto: proto, index: index}
	if p.peek().is(":") {
		p.next()
		if l.size = p.next(); l.size.kind != tokNumber {
			return nil, p.unexpected(l.size, "1, 2 or 4 bytes")
		}
		if l.size.num != 1 && l.size.num != 2 && l.size.num != 4 {
			return nil, p.errorAt(l.size.span(), "expected 1, 2 or 4 bytes, not %d", l.size.num)
		}
	}
	end := p.next()
	if !end.is("]") {
		return nil, p.unexpected(end, "an operator, a size behind a colon, or a closing bracket")
	}
	l.span = proto.span().to(end.span())
	return l, nil
}
