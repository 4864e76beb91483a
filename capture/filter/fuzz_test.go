package filter

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
)

// FuzzCompile compiles anything: there is a program or an error that points into
// the expression, never both, and the program does in a plain VM what the matcher
// does.
func FuzzCompile(f *testing.F) {
	for n, c := range readCases(f, "filter-cases.jsonl", "") {
		if n%200 == 0 {
			f.Add(c.Expr, uint16(n), uint64(n))
		}
	}
	for _, expr := range strings.Split(manual, "\n") {
		f.Add(expr, uint16(1), uint64(7))
	}
	packets := corpusPackets(f)
	resolver := corpusResolver(f)
	f.Fuzz(func(t *testing.T, expr string, link uint16, seed uint64) {
		cfg := &Config{LinkType: LinkType(link), Live: link&(1<<15) != 0, Resolver: resolver}
		p, err := Compile(expr, cfg)
		if err != nil {
			var e *Error
			if p != nil || !errors.As(err, &e) || e.Pos < 0 || e.Len < 0 || e.Pos+e.Len > len(e.Expr) {
				t.Fatalf("%v: %#v", p, err)
			}
			if line, carets, _ := strings.Cut(e.Caret(), "\n"); !strings.Contains(carets, "^") || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q", e.Caret())
			}
			if len(err.Error()) > 1000 || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q", err)
			}
			return
		}
		prog := p.Instructions()
		if (prog == nil) != (p.Kernel() != nil) || len(prog) > MaxInstructions {
			t.Fatalf("%d instructions, %v", len(prog), p.Kernel())
		}
		vm := testVM{prog: prog}
		r := rand.New(rand.NewPCG(seed, 17))
		for range 8 {
			pk := steer(r, prog, randomPacket(r, packets[cfg.LinkType]))
			got := p.Match(pk.data, pk.length)
			if prog != nil && got != (vm.run(pk.data, pk.length) != 0) || vm.touched {
				t.Fatalf("%v, reads what wasn't written: %v, for %x", got, vm.touched, pk.data)
			}
		}
	})
}
