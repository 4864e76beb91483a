package filter

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
)

func littleEndian() bool {
	return binary.NativeEndian.Uint16([]byte{1, 0}) == 1
}

// A testVM runs classic BPF the plain way: one instruction after another, as
// bpf(4) describes them, backward jumps of libpcap's protochain included. It
// shares no code with the matcher; TestVM holds it against that of x/net/bpf.
type testVM struct {
	prog []bpf.RawInstruction
	// extra answers loads of what the kernel keeps beside a packet.
	extra func(k uint32) (uint32, bool)
	// network is set if packets begin with the network layer, which programs
	// may reach at SKF_NET_OFF too.
	network bool
	// jumped is called at each conditional jump with where A was loaded from, and
	// how it was masked since.
	jumped func(from loadedFrom, i bpf.RawInstruction, a uint32)
	// short is set if a packet was rejected because it ends before a load, or for
	// a division by zero.
	short bool
	// touched is set if scratch memory is read before it is written.
	touched bool
	// executed counts instructions.
	executed int
}

type loadedFrom struct {
	ok   bool
	at   int
	size int
	mask uint32
}

func (vm *testVM) run(data []byte, length int) uint32 {
	var a, x uint32
	var mem [16]uint32
	var written [16]bool
	var from loadedFrom
	load := func(at uint64, size int) (uint32, bool) {
		if vm.network && at >= 0xfff00000 {
			at -= 0xfff00000
		}
		if at+uint64(size) > uint64(len(data)) {
			vm.short = true
			return 0, false
		}
		from = loadedFrom{true, int(at), size, 0xffffffff}
		v := uint32(0)
		for _, c := range data[at : at+uint64(size)] {
			v = v<<8 | uint32(c)
		}
		return v, true
	}
	for pc, n := 0, 0; pc >= 0 && pc < len(vm.prog) && n < 100_000; n++ {
		i := vm.prog[pc]
		pc++
		vm.executed++
		ok := true
		switch i.Op & 7 {
		case 0: // ld
			size := map[uint16]int{0: 4, 8: 2, 16: 1}[i.Op&0x18]
			switch i.Op & 0xe0 {
			case 0x00:
				a, from = i.K, loadedFrom{}
			case 0x20:
				if i.K >= 0xfffff000 {
					from = loadedFrom{}
					ok, vm.short = false, true
					if vm.extra != nil {
						a, ok = vm.extra(i.K - 0xfffff000)
					}
					break
				}
				var v uint32
				if v, ok = load(uint64(i.K), size); ok {
					a = v
				}
			case 0x40:
				var v uint32
				if v, ok = load(uint64(x)+uint64(i.K), size); ok {
					a = v
				}
			case 0x60:
				vm.touched = vm.touched || !written[i.K]
				a, from = mem[i.K], loadedFrom{}
			case 0x80:
				a, from = uint32(length), loadedFrom{}
			}
		case 1: // ldx
			switch i.Op & 0xe0 {
			case 0x00:
				x = i.K
			case 0x60:
				vm.touched = vm.touched || !written[i.K]
				x = mem[i.K]
			case 0x80:
				x = uint32(length)
			case 0xa0:
				at := i.K
				if vm.network && at >= 0xfff00000 {
					at -= 0xfff00000
				}
				if ok = uint64(at) < uint64(len(data)); !ok {
					vm.short = true
				} else {
					x = uint32(data[at]&15) * 4
				}
			}
		case 2:
			mem[i.K], written[i.K] = a, true
		case 3:
			mem[i.K], written[i.K] = x, true
		case 4:
			k := i.K
			if i.Op&8 != 0 {
				k = x
			}
			switch i.Op & 0xf0 {
			case 0x00:
				a += k
			case 0x10:
				a -= k
			case 0x20:
				a *= k
			case 0x30:
				if ok = k != 0; !ok {
					vm.short = true
				} else {
					a /= k
				}
			case 0x40:
				a |= k
			case 0x50:
				a &= k
			case 0x60:
				a <<= k
			case 0x70:
				a >>= k
			case 0x80:
				a = -a
			case 0x90:
				if ok = k != 0; !ok {
					vm.short = true
				} else {
					a %= k
				}
			case 0xa0:
				a ^= k
			}
			if i.Op == 0x54 {
				from.mask &= k
			} else {
				from.ok = false
			}
		case 5:
			if i.Op&0xf0 == 0 {
				pc += int(int32(i.K))
				break
			}
			k := i.K
			if i.Op&8 != 0 {
				k = x
			}
			if vm.jumped != nil && i.Op&8 == 0 {
				vm.jumped(from, i, a)
			}
			yes := false
			switch i.Op & 0xf0 {
			case 0x10:
				yes = a == k
			case 0x20:
				yes = a > k
			case 0x30:
				yes = a >= k
			case 0x40:
				yes = a&k != 0
			}
			if yes {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		case 6:
			return i.K
		case 7:
			if i.Op&0xf8 == 0x80 {
				a, from = x, loadedFrom{}
			} else {
				x = a
			}
		}
		if !ok {
			return 0
		}
	}
	return 0
}
