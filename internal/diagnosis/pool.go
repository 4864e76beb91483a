package diagnosis

import (
	"slices"
	"strings"
)

// pool keeps each of the texts that come again and again once.
type pool struct {
	texts map[string]string
	lists map[string][]Context
}

// mostPooled bounds each kind of what is pooled.
const mostPooled = 10_000

func (p *pool) intern(s string) string {
	if s == "" {
		return ""
	}
	s = clip(s)
	if known, ok := p.texts[s]; ok {
		return known
	}
	if p.texts == nil {
		p.texts = make(map[string]string)
	}
	if len(p.texts) < mostPooled {
		p.texts[s] = s
	}
	return s
}

// contexts returns an equal list that others may have too: an application proposes the
// same ones each time. shared says that they have.
func (p *pool) contexts(list []Context) (equal []Context, shared bool) {
	var b strings.Builder
	for _, c := range list {
		b.WriteByte(byte(c.ID))
		for _, s := range append([]string{c.AbstractSyntax, c.Result, c.Accepted}, c.TransferSyntaxes...) {
			b.WriteString(s)
			b.WriteByte(0)
		}
		b.WriteByte(1)
	}
	key := b.String()
	if known, ok := p.lists[key]; ok {
		return known, true
	}
	if p.lists == nil {
		p.lists = make(map[string][]Context)
	}
	if len(p.lists) < mostPooled/10 && len(key) < mostPooled {
		p.lists[key] = slices.Clip(list)
	}
	return list, false
}

// mostText bounds a text out of packets, in bytes: AE titles, UIDs and comments of
// applications that keep to the standard have 64 at most.
const mostText = 256

// clip is s, without what is beyond the bound.
func clip(s string) string {
	if len(s) <= mostText {
		return s
	}
	return strings.ToValidUTF8(s[:mostText], "") + "…"
}
