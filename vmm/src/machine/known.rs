//! What a monitor has found out of this host and its processor, for the one that it executes: to ask
//! anew takes a good part of a start.

use pinion_abi::boot::{BootInfo, CpuidLeaf, CPUID_LEAVES};
use serde::{Deserialize, Serialize};

use super::server::Server;
use super::{report, tables, vdso, Factory};

#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Known {
    /// Bytes of the host's vvar and vdso pages, and where the vDSO's image begins in them.
    vdso: Option<(u64, u64)>,
    /// What its `cpuid` says, whether it has XSAVE, whether it is emulated.
    processor: Option<(Vec<[u32; 7]>, bool, bool)>,
    /// `cpuid` answers of the guest's kernel: leaf, subleaf, whether that counts, eax to edx.
    answers: Vec<[u32; 7]>,
}

impl Known {
    /// `answers`: whether to believe the guest, which is its own loss unless the next program has
    /// more rights than this one.
    pub(super) fn of(factory: &Factory, server: &Server, answers: bool) -> Known {
        let pages = factory.vdso.get().copied().flatten();
        Known {
            vdso: pages.map(|pages| (pages.bytes, pages.image)),
            processor: factory.processor.get().map(tables::Processor::entries),
            answers: if answers { read(server) } else { Vec::new() },
        }
    }

    pub(super) fn vdso(&self) -> Option<vdso::Pages> {
        self.vdso
            .and_then(|(bytes, image)| vdso::again(bytes, image))
    }

    pub(super) fn processor(&self) -> Option<tables::Processor> {
        let (entries, has_xsave, emulated) = self.processor.as_ref()?;
        tables::Processor::again(entries, *has_xsave, *emulated)
    }

    /// Tells the guest's kernel.
    pub(super) fn tell(&self, info: &mut BootInfo) {
        for (to, from) in info.cpuid.iter_mut().zip(&self.answers) {
            let [leaf, subleaf, indexed, eax, ebx, ecx, edx] = *from;
            *to = CpuidLeaf {
                leaf,
                subleaf,
                indexed,
                eax,
                ebx,
                ecx,
                edx,
                _pad: 0,
            };
        }
        info.cpuid_count = self.answers.len().min(CPUID_LEAVES) as u64;
    }
}

fn read(server: &Server) -> Vec<[u32; 7]> {
    let info: *const BootInfo = report::boot_info(server);
    // SAFETY: the page stays mapped; the answers are copied by volatile reads, any value is fine.
    unsafe {
        let count = (&raw const (*info).cpuid_count).read_volatile();
        let leaves = 0..(count as usize).min(CPUID_LEAVES);
        let leaves = leaves.map(|at| (&raw const (*info).cpuid[at]).read_volatile());
        leaves
            .map(|leaf| {
                let CpuidLeaf {
                    eax, ebx, ecx, edx, ..
                } = leaf;
                [leaf.leaf, leaf.subleaf, leaf.indexed, eax, ebx, ecx, edx]
            })
            .collect()
    }
}
