package main

import "golang.org/x/net/bpf"

// executed counts the instructions that a program executes for a packet. Of what
// the kernel keeps beside packets there is nothing: such loads reject.
func executed(prog []bpf.RawInstruction, p packet) int {
	var a, x uint32
	var mem [16]uint32
	n := 0
	load := func(at uint64, size uint64) bool {
		if at+size > uint64(len(p.data)) {
			return false
		}
		a = 0
		for _, b := range p.data[at : at+size] {
			a = a<<8 | uint32(b)
		}
		return true
	}
	for pc := 0; pc < len(prog); {
		i := prog[pc]
		pc++
		n++
		operand := i.K
		if i.Op&8 != 0 {
			operand = x
		}
		size := map[uint16]uint64{0x00: 4, 0x08: 2, 0x10: 1}[i.Op&0x18]
		switch i.Op & 7 {
		case 0: // ld
			switch i.Op & 0xe0 {
			case 0x00:
				a = i.K
			case 0x20:
				if !load(uint64(i.K), size) {
					return n
				}
			case 0x40:
				if !load(uint64(x)+uint64(i.K), size) {
					return n
				}
			case 0x60:
				a = mem[i.K&15]
			case 0x80:
				a = uint32(p.length)
			}
		case 1: // ldx
			switch i.Op & 0xe0 {
			case 0x00:
				x = i.K
			case 0x60:
				x = mem[i.K&15]
			case 0x80:
				x = uint32(p.length)
			case 0xa0:
				if uint64(i.K) >= uint64(len(p.data)) {
					return n
				}
				x = uint32(p.data[i.K]&15) * 4
			}
		case 2:
			mem[i.K&15] = a
		case 3:
			mem[i.K&15] = x
		case 4:
			if (i.Op&0xf0 == 0x30 || i.Op&0xf0 == 0x90) && operand == 0 {
				return n
			}
			a = calculate(i.Op&0xf0, a, operand)
		case 5:
			if i.Op&0xf0 == 0 {
				pc += int(i.K)
				break
			}
			if jumps(i.Op&0xf0, a, operand) {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		case 6:
			return n
		case 7:
			if i.Op&0x80 != 0 {
				a = x
			} else {
				x = a
			}
		}
	}
	return n
}

func calculate(op uint16, a, b uint32) uint32 {
	switch op {
	case 0x00:
		return a + b
	case 0x10:
		return a - b
	case 0x20:
		return a * b
	case 0x30:
		return a / b
	case 0x40:
		return a | b
	case 0x50:
		return a & b
	case 0x60:
		return a << b
	case 0x70:
		return a >> b
	case 0x80:
		return -a
	case 0x90:
		return a % b
	}
	return a ^ b
}

func jumps(op uint16, a, b uint32) bool {
	switch op {
	case 0x10:
		return a == b
	case 0x20:
		return a > b
	case 0x30:
		return a >= b
	}
	return a&b != 0
}
