package tcp

// list is connections in the order of their last segments.
type list struct {
	newest, oldest *Conn
	n              int
}

// answered reports whether more is known of a connection than one side's SYN.
func (c *Conn) answered() bool {
	a, b := &c.half[0].Flow, &c.half[1].Flow
	return a.Segments > 0 && b.Segments > 0 || a.Segments > a.SYN || b.Segments > b.SYN
}

// opening reports whether neither side has said more than that it wants to begin, or not.
func (c *Conn) opening() bool {
	a, b := &c.half[0].Flow, &c.half[1].Flow
	return a.Segments+b.Segments <= a.SYN+b.SYN+a.RST+b.RST
}

// listOf is where c belongs.
func (t *Tracker) listOf(c *Conn) *list {
	switch {
	case c.closing.How != 0:
		return &t.leaving
	case !c.answered():
		return &t.dialed
	case c.opening():
		return &t.greeted
	}
	return &t.heard
}

// answered are the lists of connections that were.
func (t *Tracker) answered() [3]*list { return [...]*list{&t.heard, &t.leaving, &t.greeted} }

// lists are all of them.
func (t *Tracker) lists() [4]*list { return [...]*list{&t.heard, &t.leaving, &t.greeted, &t.dialed} }

// touch makes c the newest of its list.
func (t *Tracker) touch(c *Conn) {
	l := t.listOf(c)
	if l != c.list || l.newest != c {
		c.list.unlink(c)
		l.link(c)
	}
}

func (l *list) link(c *Conn) {
	c.list, c.older, c.newer = l, l.newest, nil
	if l.newest != nil {
		l.newest.newer = c
	} else {
		l.oldest = c
	}
	l.newest = c
	l.n++
}

func (l *list) unlink(c *Conn) {
	l.n--
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		l.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		l.oldest = c.newer
	}
	c.newer, c.older = nil, nil
}
