package filter

import "testing"

// BenchmarkMatch runs filters on all Ethernet packets of the corpus. An operation
// is one packet.
func BenchmarkMatch(b *testing.B) {
	packets := corpusPackets(b)[LinkTypeEthernet]
	for _, expr := range benchmarkExpressions {
		b.Run(expr, func(b *testing.B) {
			p, err := Compile(expr, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n == len(packets) {
					n = 0
				}
				p.Match(packets[n].data, packets[n].length)
			}
		})
	}
}

// BenchmarkCompile compiles the same filters.
func BenchmarkCompile(b *testing.B) {
	for _, expr := range benchmarkExpressions {
		b.Run(expr, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(expr, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var benchmarkExpressions = []string{
	"tcp port 104", "ip", "host 10.0.0.1 and not port 22", "port 80 or 443 or 8080", "vlan and ip6",
	"ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0",
}
