package tcp

// list is connections in the order of their last segments.
type list struct{ newest, oldest *Conn }

// answered reports whether more is known of a connection than one side's SYN.
func (c *Conn) answered() bool {
	a, b := &c.half[0].Flow, &c.half[1].Flow
	return a.Segments > 0 && b.Segments > 0 || a.Segments > a.SYN || b.Segments > b.SYN
}

// touch makes c the newest of its list.
func (t *Tracker) touch(c *Conn) {
	l := c.list
	if l == &t.dialed && c.answered() {
		l = &t.heard
	}
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
}

func (l *list) unlink(c *Conn) {
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
