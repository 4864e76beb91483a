package filter

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"netcap/internal/testenv"
)

// everyday is what operators type, a filter a line.
const everyday = `
arp
arp host 10.0.0.1
arp net 192.168.1.0/24
arp or icmp
arp or icmp or icmp6
arp or rarp
arp src host 10.0.0.1
arp[6:2] = 1
arp[6:2] = 2
broadcast
broadcast and not arp
broadcast or multicast
dst 10.0.0.1
dst host 10.0.0.1 and dst port 104
dst host 10.0.0.1 and tcp dst port 443
dst net 10.0.0.0/8
dst net 172.16.0.0/12
dst net 192.168.0.0/16
dst port 104
dst port 22
dst port 53
dst port 80 or dst port 443
dst portrange 1024-65535
ether broadcast
ether broadcast or ether multicast
ether dst ff:ff:ff:ff:ff:ff
ether dst 01:00:5e:00:00:01
ether host 00:11:22:33:44:55
ether host 00:11:22:33:44:55 and ip
ether host 00:11:22:33:44:55 or ether host 00:11:22:33:44:66
ether multicast
ether multicast and not ether broadcast
ether proto 0x88cc
ether proto 0x888e
ether proto 0x88cc or ether proto 0x2000
ether proto 0x8863 or ether proto 0x8864
ether proto \arp
ether proto \ip
ether proto \ip6
ether src 00:11:22:33:44:55
ether[0] & 1 = 0 and ip[16] >= 224
ether[12:2] = 0x88cc
ether[20:2] = 0x2000
esp
esp or ah
greater 1000
greater 1500
host 10.0.0.1
host 10.0.0.1 and 10.0.0.2
host 10.0.0.1 and host 10.0.0.2
host 10.0.0.1 and icmp
host 10.0.0.1 and not 10.0.0.2
host 10.0.0.1 and not arp
host 10.0.0.1 and not port 22
host 10.0.0.1 and not tcp port 22
host 10.0.0.1 and port 104
host 10.0.0.1 and port 11112
host 10.0.0.1 and port 53
host 10.0.0.1 and tcp
host 10.0.0.1 and tcp port 104
host 10.0.0.1 and udp
host 10.0.0.1 and (10.0.0.2 or 10.0.0.3)
host 10.0.0.1 and (host 10.0.0.2 or host 10.0.0.3) and port 104
host 10.0.0.1 and (port 104 or port 11112)
host 10.0.0.1 and (port 80 or port 443)
host 10.0.0.1 and (tcp or udp)
host 10.0.0.1 or 10.0.0.2
host 10.0.0.1 or 10.0.0.2 or 10.0.0.3
host 10.0.0.1 or host 10.0.0.2
host 10.0.0.1 or host 2001:db8::1
host 10.0.0.1 or net 192.168.0.0/16
host 2001:db8::1
host 2001:db8::1 and port 104
host 2001:db8::1 or host 2001:db8::2
icmp
icmp and host 10.0.0.1
icmp and icmp[icmptype] = icmp-echo
icmp or arp
icmp or icmp6
icmp or udp
icmp or udp port 53
icmp6
icmp6 and host fe80::1
icmp6 and ip6[40] = 135
icmp6[icmp6type] = icmp6-neighborsolicit
icmp6[icmp6type] = icmp6-routeradvert or icmp6[icmp6type] = icmp6-routersolicit
icmp[0] = 8 or icmp[0] = 0
icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply
icmp[icmptype] = icmp-echo
icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply
icmp[icmptype] = icmp-unreach
icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 4
icmp[icmptype] == icmp-timxceed
igmp
igmp or pim
ip
ip and not broadcast and not multicast
ip and not net 10.0.0.0/8
ip and not tcp
ip and not tcp and not udp
ip host 10.0.0.1
ip multicast
ip multicast and not udp port 5353
ip multicast or ip6 multicast
ip or arp
ip or ip6
ip proto 47
ip proto 50 or ip proto 51
ip proto \ospf
ip6
ip6 and icmp6
ip6 and not icmp6
ip6 and tcp
ip6 and tcp port 443
ip6 multicast
ip6 net 2001:db8::/32
ip6 proto 58
ip[1] & 0xfc = 0xb8
ip[2:2] > 1000
ip[6:2] & 0x1fff != 0
ip[6:2] & 0x3fff != 0
ip[6] & 0x40 != 0
ip[8] < 5
ip[8] = 1
ip[9] = 47
ip[0] & 0xf != 5
ip[0] & 0xf > 5
ip[16] >= 224
len > 1500
len <= 64
less 64
less 100 and tcp
mpls
mpls and host 10.0.0.1
net 10
net 10.0.0.0/8
net 10.0.0.0/8 and not host 10.0.0.1
net 10.0.0.0/8 and not net 10.1.0.0/16
net 10.0.0.0/8 or net 172.16.0.0/12 or net 192.168.0.0/16
net 10.1.2.0/24 and port 104
net 127.0.0.0/8
net 169.254.0.0/16
net 192.168
net 192.168.1.0/24
net 192.168.1.0/24 and (port 80 or port 443)
net 192.168.1.0/24 and not port 22
net 192.168.1.0/24 and tcp port 445
net 192.168.1.0/24 or net 192.168.2.0/24
net 2001:db8::/32
net 224.0.0.0/4
net fe80::/10
not arp
not arp and not icmp
not arp and not port 22
not arp and not stp
not broadcast and not multicast
not ether broadcast and not ether multicast
not host 10.0.0.1
not host 10.0.0.1 and not host 10.0.0.2
not icmp
not ip
not ip and not ip6
not ip and not ip6 and not arp
not ip6
not net 10.0.0.0/8
not net 192.168.0.0/16 and not net 10.0.0.0/8
not port 22
not port 22 and not arp
not port 22 and not port 53
not port 80 and not port 443
not portrange 0-1023
not tcp
not tcp and not udp
not tcp port 22
not tcp port 3389
not udp
not udp port 53
port 104
port 104 and host 10.0.0.1
port 104 or 11112
port 104 or port 11112
port 104 or port 11112 or port 2762
port 104 or portrange 11112-11119
port 123
port 1812 or port 1813
port 22
port 25 or port 465 or port 587
port 443 and not host 10.0.0.1
port 445 or port 139
port 5060
port 5060 or portrange 10000-20000
port 514
port 53
port 53 and not host 10.0.0.1
port 53 and udp
port 53 or port 67 or port 68
port 67 or port 68
port 80
port 80 or 443 or 8080
port 80 or port 443
port 80 or port 8080
port not 53 and not arp
port domain
port http or port https
port ssh
portrange 1-1023
portrange 104-108
portrange 11112-11119
portrange 6000-6008
pppoed or pppoes
sctp
sctp port 2905
src 10.0.0.1
src 10.0.0.1 and dst 10.0.0.2
src 10.0.0.1 and dst port 104
src and dst net 10.0.0.0/8
src host 10.0.0.1 and (dst port 80 or dst port 443)
src host 10.0.0.1 and dst host 10.0.0.2
src host 10.0.0.1 and dst net 192.168.0.0/16
src host 10.0.0.1 and dst port 22
src host 10.0.0.1 or src host 10.0.0.2
src net 10.0.0.0/8
src net 10.0.0.0/8 and dst net 192.168.0.0/16
src net 10.0.0.0/8 and not dst net 10.0.0.0/8
src net 192.168.0.0/16 and dst port 443
src port 104
src port 53
src port 68 and dst port 67
stp
stp or ether proto 0x88cc
tcp
tcp and dst port 104
tcp and host 10.0.0.1
tcp and host 10.0.0.1 and not port 22
tcp and net 10.0.0.0/8
tcp and not host 10.0.0.1
tcp and not port 22
tcp and not port 80 and not port 443
tcp and port 104
tcp and port 80 and host 10.0.0.1
tcp and portrange 8000-8999
tcp and (port 104 or port 11112)
tcp and (port 80 or port 443 or port 8080)
tcp dst port 104
tcp dst port 104 or tcp dst port 11112
tcp dst port 80
tcp or icmp
tcp or udp
tcp or udp or icmp
tcp or udp or icmp or icmp6
tcp or udp or sctp
tcp port 104
tcp port 104 and (host 10.0.0.1 or host 10.0.0.2)
tcp port 104 and host 10.0.0.1
tcp port 104 and not host 10.0.0.1
tcp port 104 or tcp port 11112
tcp port 104 or tcp port 11112 or tcp port 4242
tcp port 1433
tcp port 20 or tcp port 21
tcp port 21
tcp port 2575
tcp port 2575 or tcp port 104
tcp port 2762 or tcp port 2761
tcp port 3306
tcp port 3389
tcp port 389 or tcp port 636
tcp port 443
tcp port 445
tcp port 5432
tcp port 80 and ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0
tcp port 80 and tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420
tcp port 80 or tcp port 443
tcp port 80 or udp port 53
tcp port 8080
tcp port http
tcp portrange 11112-11119
tcp src port 104
tcp[13] & 2 != 0
tcp[13] = 2
tcp[13] = 18
tcp[13] & 4 != 0
tcp[14:2] = 0
tcp[((tcp[12:1] & 0xf0) >> 2):1] = 0x16
tcp[tcpflags] & (tcp-rst) != 0
tcp[tcpflags] & (tcp-syn) != 0 and tcp[tcpflags] & (tcp-ack) = 0
tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0
tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10.0.0.0/8
tcp[tcpflags] & tcp-push != 0
tcp[tcpflags] & tcp-syn != 0 and port 104
tcp[tcpflags] == tcp-syn
tcp[tcpflags] == tcp-syn or tcp[tcpflags] == tcp-syn|tcp-ack
udp
udp and dst port 53
udp and host 10.0.0.1
udp and not port 53
udp and port 53
udp and portrange 16384-32767
udp and (port 67 or port 68)
udp dst port 514
udp or icmp
udp port 123
udp port 161 or udp port 162
udp port 1900
udp port 2055
udp port 4789
udp port 500 or udp port 4500
udp port 514
udp port 53
udp port 53 and ip[2:2] > 512
udp port 5353
udp port 67
udp port 67 or udp port 68
udp port 69
udp portrange 33434-33534
udp src port 53
udp[10] & 0x80 = 0
udp[4:2] > 1000
vlan
vlan 100
vlan 100 and host 10.0.0.1
vlan 100 and tcp port 104
vlan 100 or vlan 200
vlan and arp
vlan and host 10.0.0.1
vlan and icmp
vlan and ip
vlan and ip6
vlan and net 10.0.0.0/8
vlan and not port 22
vlan and port 104
vlan and tcp
vlan and tcp port 104
vlan and udp port 53
vlan and vlan
vlan and vlan and ip
(host 10.0.0.1 or host 10.0.0.2) and (port 104 or port 11112)
(host 10.0.0.1 or host 10.0.0.2) and not port 22
(icmp or arp) and host 10.0.0.1
(net 10.0.0.0/8 or net 192.168.0.0/16) and tcp port 104
(port 104 or port 11112) and not host 10.0.0.1
(src host 10.0.0.1 and dst host 10.0.0.2) or (src host 10.0.0.2 and dst host 10.0.0.1)
(tcp or udp) and port 53
(tcp port 104 or tcp port 11112) and net 10.0.0.0/8
`

// A contest compares what two programs for the same expression cost: how many
// instructions they have, and how many they execute for the packets of the corpus.
type contest struct {
	ours, theirs       []bpf.RawInstruction
	ranOurs, ranTheirs int
}

func newContest(ours, theirs []bpf.RawInstruction, packets []testPacket) contest {
	c := contest{ours: ours, theirs: theirs}
	for _, p := range packets {
		c.ranOurs += executed(ours, p)
		c.ranTheirs += executed(theirs, p)
	}
	return c
}

func executed(prog []bpf.RawInstruction, p testPacket) int {
	vm := testVM{prog: prog}
	vm.run(p.data, p.length)
	return vm.executed
}

// A score sums up contests.
type score struct {
	sync.Mutex
	programs           int
	ours, theirs       int
	ranOurs, ranTheirs int
	packets            int
}

func (s *score) add(c contest, packets int) {
	s.Lock()
	defer s.Unlock()
	s.programs++
	s.ours += len(c.ours)
	s.theirs += len(c.theirs)
	s.ranOurs += c.ranOurs
	s.ranTheirs += c.ranTheirs
	s.packets += packets
}

func (s *score) log(t *testing.T, what string) {
	t.Logf("%s: %d programs; %d instructions, libpcap's %d", what, s.programs, s.ours, s.theirs)
	if n := float64(s.packets); n > 0 {
		t.Logf("%s: %.3f executed a packet, libpcap's %.3f", what, float64(s.ranOurs)/n, float64(s.ranTheirs)/n)
	}
}

// parallel calls each with the numbers below n, on all processors.
func parallel(n int, each func(i int)) {
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				each(i)
			}
		})
	}
	wg.Wait()
}

// asNewer writes what libpcap 1.10 compiles wrongly so that it compiles what 1.11
// does: 1.10 takes class E, and with it 255.255.255.255, for multicast.
func asNewer(expr string) string {
	return strings.Replace(expr, "ip multicast", "(ip[16] & 0xf0 = 0xe0)", 1)
}

// TestEveryday compares what everyday filters cost with what tcpdump makes of them.
// On Ethernet ours is never longer, and none executes more for the packets of the
// corpus; on each other link type none is longer, and all of them together execute
// no more.
func TestEveryday(t *testing.T) {
	t.Parallel()
	tcpdump := testenv.Program(t, "tcpdump")
	packets := corpusPackets(t)
	exprs := strings.Split(strings.TrimSpace(everyday), "\n")
	require.GreaterOrEqual(t, len(exprs), 200)
	ethernet := &score{}
	compete := func(link LinkType, expr string, s *score) {
		name := link.String() + " " + expr
		prog, _ := askTcpdump(t, tcpdump, link, asNewer(expr))
		p, err := Compile(expr, &Config{LinkType: link, Live: link == LinkTypeNull, Resolver: Files{}})
		if prog == nil {
			assert.True(t, err != nil || p.Never(), "%s: libpcap refuses it", name)
			return
		}
		if !assert.NoError(t, err, name) {
			return
		}
		c := newContest(p.Instructions(), prog, packets[link])
		s.add(c, len(packets[link]))
		assert.LessOrEqual(t, len(c.ours), len(c.theirs), name)
		if s == ethernet {
			assert.LessOrEqual(t, c.ranOurs, c.ranTheirs, name)
		}
	}
	parallel(len(exprs), func(i int) { compete(LinkTypeEthernet, exprs[i], ethernet) })
	ethernet.log(t, "EN10MB")
	assert.Equal(t, len(exprs), ethernet.programs)
	if testing.Short() {
		return
	}
	// An expression in two is compiled for another link type, in turn.
	links := []LinkType{LinkTypeRaw, LinkTypeLinuxSLL, LinkTypeLinuxSLL2, LinkTypeNull, LinkTypePPP}
	others := make([]score, len(links))
	parallel(len(exprs)/2, func(i int) { compete(links[i%len(links)], exprs[2*i], &others[i%len(links)]) })
	for i := range others {
		others[i].log(t, links[i].String())
		assert.LessOrEqual(t, others[i].ranOurs, others[i].ranTheirs, links[i])
	}
}

// newTag tells what 1.10 asks Linux about, and 1.11 the switch's tag.
func newTag(c *testCase) bool {
	return strings.HasPrefix(c.DLT, "DSA_TAG_") && strings.HasSuffix(c.Expr, "bound")
}

// TestSuite compares what libpcap's own test cases cost with what libpcap 1.11 and
// tcpdump make of them: none of ours is longer, and none executes more for the
// packets of the corpus than 1.11's.
func TestSuite(t *testing.T) {
	t.Parallel()
	tcpdump := testenv.Program(t, "tcpdump")
	packets := corpusPackets(t)
	resolver := corpusResolver(t)
	cases := readCases(t, "filter-cases.jsonl", "accept")
	newer, older := &score{}, &score{}
	var asked sync.Map // programs of 1.11's that tcpdump was asked for
	parallel(len(cases), func(i int) {
		c := &cases[i]
		if !c.applies() || c.OptRejects {
			return
		}
		name := c.DLT + " " + c.Expr
		cfg := c.config(t, resolver)
		p, err := Compile(c.Expr, cfg)
		if !assert.NoError(t, err, name) || p.Kernel() != nil {
			return
		}
		k := newContest(p.Instructions(), c.program(), packets[cfg.LinkType])
		newer.add(k, len(packets[cfg.LinkType]))
		assert.LessOrEqual(t, k.ranOurs, k.ranTheirs, name)
		// tcpdump has no file, no network mask and no names of the corpus.
		if c.LinuxExt || c.Offline != "" || c.Netmask != "" || strings.Contains(c.Expr, ".TEST") ||
			differs(cfg.LinkType, c.Expr) || newTag(c) || testing.Short() && i%8 != 0 {
			return
		}
		if _, before := asked.LoadOrStore(fmt.Sprint(c.DLT, c.OptRaw, k.ours), nil); before {
			return // the same in other words
		}
		prog, _ := askTcpdump(t, tcpdump, cfg.LinkType, asNewer(c.Expr))
		if prog == nil {
			return // 1.10 doesn't know it
		}
		older.add(contest{ours: k.ours, theirs: prog}, 0)
		assert.LessOrEqual(t, len(k.ours), len(prog), "%s: tcpdump's", name)
	})
	newer.log(t, "libpcap 1.11")
	older.log(t, "tcpdump")
	require.Greater(t, older.programs, 80)
}
