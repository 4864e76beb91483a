package filter

// Operation codes of classic BPF, as in linux/bpf_common.h and linux/filter.h.
const (
	classLd   = 0x00
	classLdx  = 0x01
	classSt   = 0x02
	classStx  = 0x03
	classAlu  = 0x04
	classJmp  = 0x05
	classRet  = 0x06
	classMisc = 0x07
	classMask = 0x07

	sizeW    = 0x00
	sizeH    = 0x08
	sizeB    = 0x10
	sizeMask = 0x18

	modeImm  = 0x00
	modeAbs  = 0x20
	modeInd  = 0x40
	modeMem  = 0x60
	modeLen  = 0x80
	modeMsh  = 0xa0
	modeMask = 0xe0

	aluAdd = 0x00
	aluSub = 0x10
	aluMul = 0x20
	aluDiv = 0x30
	aluOr  = 0x40
	aluAnd = 0x50
	aluLsh = 0x60
	aluRsh = 0x70
	aluNeg = 0x80
	aluMod = 0x90
	aluXor = 0xa0

	jmpJA   = 0x00
	jmpJEq  = 0x10
	jmpJGt  = 0x20
	jmpJGe  = 0x30
	jmpJSet = 0x40
	opMask  = 0xf0

	srcK = 0x00
	srcX = 0x08

	miscTax = 0x00
	miscTxa = 0x80

	retK = 0x00
)

// opHeaderChain is an instruction of our own, for the matcher only: A becomes 1
// if chains[k] finds its protocol, else 0.
const opHeaderChain = 0xfff

// networkOffset is SKF_NET_OFF of linux/filter.h: the network layer begins there.
const networkOffset = ^uint32(0x100000) + 1

// What the kernel knows of a packet, at SKF_AD_OFF in linux/filter.h.
const (
	extraOffset         = ^uint32(0x1000) + 1
	extraProtocol       = 0
	extraHardwareType   = 28
	extraPacketType     = 4
	extraInterface      = 8
	extraVLANTag        = 44
	extraVLANTagPresent = 48
)

// scratchWords is how many words of scratch memory the machine has.
const scratchWords = 16

// An insn is an instruction whose jumps are pointers.
type insn struct {
	op     uint16
	k      uint32
	next   *insn // of all but conditional jumps and returns
	jt, jf *insn // of conditional jumps
	// alike is how many jumps from here on, along jf, compare A with a single value
	// each, so that any of them may come first; 0 behind the first of them. That one
	// stays the first if it is common.
	alike  int
	common bool
}

func (i *insn) isJump() bool {
	return i.op&classMask == classJmp && i.op != classJmp|jmpJA
}

func (i *insn) isReturn() bool { return i.op&classMask == classRet }

func (i *insn) isStore() bool { return i.op == classSt || i.op == classStx }

func (i *insn) isScratchLoad() bool { return i.op == classLd|modeMem || i.op == classLdx|modeMem }

func sizeCode(size uint8) uint16 {
	switch size {
	case 1:
		return sizeB
	case 2:
		return sizeH
	}
	return sizeW
}
