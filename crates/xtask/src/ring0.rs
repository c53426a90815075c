//! Proves on the linked kernel that privileged code is only the assembly stub, and that the stub uses no SSE.
//!
//! What is checked: every byte of code in `.ring0` is decoded in one sweep and uses no x87, MMX, SSE or AVX state;
//! its calls and jumps stay inside, but for the doors below; the entry point and all interrupt gates lead into it;
//! its source is short. Every other executable section has no privileged instruction but `out` in `.entry`.
//! Why: ring 0 is emulated under software-nested virtualisation, where SSE stops the VM (docs/decisions/0001).
//! Before: `guest` (the linked kernel). After: `iced-x86`.

#![expect(clippy::print_stdout, reason = "a check says what it looked at")]

use std::fs;
use std::ops::Range;

use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, EncodingKind, FlowControl, Formatter, Instruction,
    InstructionInfoFactory, IntelFormatter, Mnemonic, OpKind, Register,
};
use object::elf::SHF_EXECINSTR;
use object::{File, Object, ObjectSection, ObjectSymbol, SectionFlags};

use crate::guest::{self, kernel_elf};
use crate::shell::{Outcome, files, root};

/// Instructions in the source of the stub: lines that are neither blank nor only a comment.
const MAX_ASSEMBLY_LINES: usize = 300;
/// The label of the first descriptor table: code of `.ring0` ends there.
const FIRST_TABLE: &str = "gdtr_copy";
/// The interrupt descriptor table, one gate of 16 bytes a vector, up to its end label.
const GATES: [&str; 2] = ["idt", "idt_end"];
/// Places outside `.ring0` that the stub may jump to, because it has just seen that it runs in ring 3.
const RING3_DOORS: [&str; 1] = ["turn_entry"];
/// The section of ring-3 assembly that rings the doorbell to the host.
const DOORBELL_SECTION: &str = ".entry";

/// Runs `cargo xtask check-ring0`.
pub(crate) fn command(_args: &[String]) -> Outcome {
    guest::command(&[])?;
    let bytes = fs::read(kernel_elf())?;
    let kernel = Kernel { elf: File::parse(&*bytes)? };
    let mut faults = kernel.check_stub()?;
    faults.extend(kernel.check_rest()?);

    let mut lines = 0;
    for file in files(&root().join("guest/kernel/src/ring0"), &["s"])? {
        let text = fs::read_to_string(file)?;
        lines +=
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    }
    println!("ring0/*.s: {lines} lines of assembly, at most {MAX_ASSEMBLY_LINES}");
    if lines > MAX_ASSEMBLY_LINES {
        faults.push(format!("{lines} lines of assembly exceed {MAX_ASSEMBLY_LINES}"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

struct Kernel<'data> {
    elf: File<'data>,
}

impl Kernel<'_> {
    /// Returns what is wrong with the privileged stub.
    fn check_stub(&self) -> Outcome<Vec<String>> {
        let section = self.elf.section_by_name(".ring0").ok_or("the kernel has no section .ring0")?;
        let code = section.address()..self.address_of(FIRST_TABLE)?;
        let data =
            section.data()?.get(..usize::try_from(code.end - code.start)?).ok_or("table outside .ring0")?;
        let mut faults = Vec::new();
        let mut previous = Instruction::default();
        let mut count = 0_usize;
        for instruction in Decoder::with_ip(64, data, code.start, DecoderOptions::NONE) {
            if let Some(reason) = self.stub_fault(&instruction, &previous, &code) {
                faults.push(self.describe(&instruction, reason));
            }
            previous = instruction;
            count += 1;
        }
        if !code.contains(&self.elf.entry()) {
            faults.push(format!("the entry point {:#x} is outside .ring0", self.elf.entry()));
        }
        let gates = self.gates(&section)?;
        faults.extend(
            gates.iter().filter(|gate| !code.contains(gate)).map(|gate| format!("gate to {gate:#x}")),
        );
        println!(
            ".ring0: {count} instructions in {} bytes and {} gates looked at for SSE and for ways out, faults: {}",
            data.len(),
            gates.len(),
            faults.len()
        );
        Ok(faults)
    }

    /// Returns what is wrong with the executable sections that run in ring 3.
    fn check_rest(&self) -> Outcome<Vec<String>> {
        let mut faults = Vec::new();
        for section in self.elf.sections() {
            let name = section.name()?;
            let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
            if sh_flags & u64::from(SHF_EXECINSTR) == 0 || name == ".ring0" {
                continue;
            }
            let mut count = 0_usize;
            let mut doorbells = Vec::new();
            for instruction in Decoder::with_ip(64, section.data()?, section.address(), DecoderOptions::NONE)
            {
                count += 1;
                if instruction.is_invalid() {
                    faults.push(self.describe(&instruction, "not an instruction"));
                } else if instruction.mnemonic() == Mnemonic::Out && name == DOORBELL_SECTION {
                    doorbells.push(self.symbol_at(instruction.ip()));
                } else if instruction.is_privileged() {
                    faults.push(self.describe(&instruction, "privileged outside .ring0"));
                }
            }
            println!("{name}: {count} instructions looked at, faults so far: {}", faults.len());
            for doorbell in doorbells {
                println!("{name}: rings the doorbell in {doorbell}");
            }
        }
        Ok(faults)
    }

    fn stub_fault(
        &self,
        now: &Instruction,
        previous: &Instruction,
        code: &Range<u64>,
    ) -> Option<&'static str> {
        if now.is_invalid() {
            return Some("not an instruction");
        }
        if touches_vector_state(now) {
            return Some("x87, MMX, SSE or AVX");
        }
        match now.flow_control() {
            FlowControl::IndirectBranch | FlowControl::IndirectCall => Some("indirect branch"),
            FlowControl::ConditionalBranch if self.is_ring3_door(now, previous) => None,
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch | FlowControl::Call => {
                (!code.contains(&now.near_branch_target())).then_some("leaves .ring0")
            }
            _ => None,
        }
    }

    /// Says whether this is `jne` to a ring-3 door straight after `test al, 3`, which looks at the code segment.
    fn is_ring3_door(&self, now: &Instruction, previous: &Instruction) -> bool {
        let tested = previous.mnemonic() == Mnemonic::Test
            && previous.op0_register() == Register::AL
            && previous.op1_kind() == OpKind::Immediate8
            && previous.immediate8() == 3;
        tested
            && now.mnemonic() == Mnemonic::Jne
            && RING3_DOORS
                .iter()
                .any(|door| self.address_of(door).is_ok_and(|at| at == now.near_branch_target()))
    }

    /// Returns the handler of each interrupt gate (SDM vol. 3, 7.14.1).
    fn gates<'data>(&self, section: &impl ObjectSection<'data>) -> Outcome<Vec<u64>> {
        let start = usize::try_from(self.address_of(GATES[0])? - section.address())?;
        let end = usize::try_from(self.address_of(GATES[1])? - section.address())?;
        let table = section.data()?.get(start..end).ok_or("the gates are outside .ring0")?;
        let handler = |gate: &[u8]| {
            let word = |at: usize| u64::from(u16::from_le_bytes([gate[at], gate[at + 1]]));
            word(0) | word(6) << 16 | word(8) << 32 | word(10) << 48
        };
        Ok(table.chunks_exact(16).map(handler).collect())
    }

    fn address_of(&self, name: &str) -> Outcome<u64> {
        let symbol = self.elf.symbols().find(|symbol| symbol.name() == Ok(name));
        Ok(symbol.ok_or_else(|| format!("the kernel has no symbol {name}"))?.address())
    }

    fn symbol_at(&self, address: u64) -> String {
        let before =
            self.elf.symbols().filter(|symbol| symbol.address() <= address && symbol.name() != Ok(""));
        let nearest = before.max_by_key(ObjectSymbol::address);
        nearest.and_then(|symbol| symbol.name().ok()).unwrap_or("?").to_owned()
    }

    fn describe(&self, instruction: &Instruction, reason: &str) -> String {
        let mut text = String::new();
        IntelFormatter::new().format(instruction, &mut text);
        format!("{:#x} in {}: {text}: {reason}", instruction.ip(), self.symbol_at(instruction.ip()))
    }
}

/// Says whether an instruction reads or writes floating-point or vector registers, by operand or by nature.
fn touches_vector_state(instruction: &Instruction) -> bool {
    use CpuidFeature::{FPU, FPU287, FPU387, FXSR, MMX, SSE, SSE2, SSE3, SSE4_1, SSE4_2, SSSE3};
    const FAMILIES: [CpuidFeature; 11] =
        [FPU, FPU287, FPU387, FXSR, MMX, SSE, SSE2, SSE3, SSE4_1, SSE4_2, SSSE3];
    let mut factory = InstructionInfoFactory::new();
    instruction.encoding() != EncodingKind::Legacy
        || instruction.cpuid_features().iter().any(|feature| FAMILIES.contains(feature))
        || factory.info(instruction).used_registers().iter().any(|used| {
            let register = used.register();
            register.is_vector_register() || register.is_st() || register.is_mm()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Instruction {
        Decoder::new(64, bytes, DecoderOptions::NONE).decode()
    }

    #[test]
    fn vector_state_is_seen_in_operands_encodings_and_implied_registers() {
        let movups_load = [0x0f, 0x10, 0x00];
        let vzeroupper = [0xc5, 0xf8, 0x77];
        let fninit = [0xdb, 0xe3];
        let emms = [0x0f, 0x77];
        let fxsave = [0x0f, 0xae, 0x00];
        for bytes in [&movups_load[..], &vzeroupper, &fninit, &emms, &fxsave] {
            assert!(touches_vector_state(&decode(bytes)), "{bytes:x?}");
        }
    }

    #[test]
    fn instructions_that_the_stub_needs_are_not_vector_instructions() {
        let iretq = [0x48, 0xcf];
        let xsetbv = [0x0f, 0x01, 0xd1];
        let wrmsr = [0x0f, 0x30];
        let mov_from_cr3 = [0x0f, 0x20, 0xd8];
        let long_nop = [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00];
        for bytes in [&iretq[..], &xsetbv, &wrmsr, &mov_from_cr3, &long_nop] {
            assert!(!touches_vector_state(&decode(bytes)), "{bytes:x?}");
        }
    }

    #[test]
    fn privileged_instructions_are_known_as_such() {
        let hlt = [0xf4];
        let cli = [0xfa];
        let out_dx_eax = [0xef];
        let swapgs = [0x0f, 0x01, 0xf8];
        let sysretq = [0x48, 0x0f, 0x07];
        let mov_to_cr3 = [0x0f, 0x22, 0xd8];
        let ltr = [0x0f, 0x00, 0xd8];
        let xsetbv = [0x0f, 0x01, 0xd1];
        let invlpg = [0x0f, 0x01, 0x38];
        for bytes in [&hlt[..], &cli, &out_dx_eax, &swapgs, &sysretq, &mov_to_cr3, &ltr, &xsetbv, &invlpg] {
            assert!(decode(bytes).is_privileged(), "{bytes:x?}");
        }
    }
}
