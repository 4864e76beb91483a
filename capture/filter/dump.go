package filter

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// A Format is a way to print a program.
type Format int

// The formats of tcpdump.
const (
	_ Format = iota
	// Text is one instruction a line, as tcpdump -d prints them.
	Text
	// C is one line a struct initializer, as tcpdump -dd prints them.
	C
	// Decimal is the number of instructions and four numbers for each, as
	// tcpdump -ddd prints them.
	Decimal
)

// Dump prints the program for people, C or other programs, with a newline at the
// end. It is empty if Kernel returns an error: there are no instructions then.
func (p *Program) Dump(f Format) string {
	if p.kernel != nil {
		return ""
	}
	var b strings.Builder
	if f == Decimal {
		fmt.Fprintln(&b, len(p.raw))
	}
	for n, i := range p.raw {
		switch f {
		case C:
			fmt.Fprintf(&b, "{ %#x, %d, %d, 0x%08x },\n", i.Op, i.Jt, i.Jf, i.K)
		case Decimal:
			fmt.Fprintln(&b, i.Op, i.Jt, i.Jf, i.K)
		default:
			b.WriteString(describe(n, i))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// describe is a line of tcpdump -d.
func describe(n int, i bpf.RawInstruction) string {
	name, operand := mnemonic(n, i.Op, i.K)
	line := fmt.Sprintf("(%03d) %-8s %s", n, name, operand)
	if i.Op&classMask == classJmp && i.Op != classJmp|jmpJA {
		line = fmt.Sprintf("(%03d) %-8s %-16s jt %d\tjf %d", n, name, operand, n+1+int(i.Jt), n+1+int(i.Jf))
	}
	return line
}

func mnemonic(n int, op uint16, k uint32) (name, operand string) {
	// libpcap's operands are signed, but for those it prints in hexadecimal.
	hex, decimal := fmt.Sprintf("#%#x", k), fmt.Sprintf("#%d", int32(k))
	switch op & classMask {
	case classLd:
		name = map[uint16]string{sizeW: "ld", sizeH: "ldh", sizeB: "ldb"}[op&sizeMask]
		switch op & modeMask {
		case modeImm:
			return name, hex
		case modeLen:
			return name, "#pktlen"
		case modeMem:
			return name, fmt.Sprintf("M[%d]", k)
		case modeInd:
			return name, fmt.Sprintf("[x + %d]", int32(k))
		}
		if extra, ok := extraNames[k-extraOffset]; ok {
			return name, "[" + extra + "]"
		}
		return name, fmt.Sprintf("[%d]", int32(k))
	case classLdx:
		switch op & modeMask {
		case modeImm:
			return "ldx", hex
		case modeLen:
			return "ldx", "#pktlen"
		case modeMem:
			return "ldx", fmt.Sprintf("M[%d]", k)
		}
		return "ldxb", fmt.Sprintf("4*([%d]&0xf)", int32(k))
	case classSt:
		return "st", fmt.Sprintf("M[%d]", k)
	case classStx:
		return "stx", fmt.Sprintf("M[%d]", k)
	case classRet:
		return "ret", decimal
	case classMisc:
		if op&0xf8 == miscTxa {
			return "txa", ""
		}
		return "tax", ""
	case classJmp:
		if op == classJmp|jmpJA {
			return "ja", strconv.Itoa(n + 1 + int(int32(k)))
		}
		name = map[uint16]string{jmpJEq: "jeq", jmpJGt: "jgt", jmpJGe: "jge", jmpJSet: "jset"}[op&opMask]
	case classAlu:
		if op&opMask == aluNeg {
			return "neg", ""
		}
		name = map[uint16]string{
			aluAdd: "add", aluSub: "sub", aluMul: "mul", aluDiv: "div", aluOr: "or", aluAnd: "and",
			aluLsh: "lsh", aluRsh: "rsh", aluMod: "mod", aluXor: "xor",
		}[op&opMask]
		if op&srcX == 0 && op&opMask != aluAnd && op&opMask != aluOr && op&opMask != aluXor {
			return name, decimal
		}
	}
	if op&srcX != 0 {
		return name, "x"
	}
	return name, hex
}

// extraNames are what the kernel keeps beside a packet, as libpcap prints it.
var extraNames = map[uint32]string{
	0: "proto", 4: "type", 8: "ifidx", 12: "nla", 16: "nlan", 20: "mark", 24: "queue",
	28: "hatype", 32: "rxhash", 36: "cpu", 44: "vlan_tci", 48: "vlanp", 52: "pay_offset",
}
