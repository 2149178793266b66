//! System V shared memory (shmat(2)): the host maps a segment over guest pages, as it maps files.

use alloc::collections::BTreeMap;

use pinion_abi::calls::{commands, machine, Wait};
use pinion_abi::channel::DATA;
use pinion_abi::layout::PAGE;
use pinion_abi::Errno;
use spin::Mutex;

use super::memory::{free_file_pages, map_file, place, MAP_FIXED, MAP_FIXED_NOREPLACE};
use crate::arch::Frame;
use crate::channel::{self, Owned};
use crate::mm::areas::{page_up, Backing, PROT_EXEC, PROT_READ, PROT_WRITE};
use crate::mm::memory;
use crate::mm::space::SPACE;

const SHM_RDONLY: u64 = 0x1000;
const SHM_RND: u64 = 0x2000;
const SHM_REMAP: u64 = 0x4000;
const SHM_EXEC: u64 = 0x8000;

/// What is attached: bytes by address.
static ATTACHED: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());

/// Bytes of a segment (shmctl(2), struct shmid64_ds).
fn size(id: u64) -> Result<u64, Errno> {
    const SHMCTL: u32 = 31;
    const SEGMENT_BYTES: usize = 48;
    let slot = Owned::take();
    let args = [id, commands::IPC_STAT.into(), DATA as u64, 0, 0, 0];
    channel::result(slot.call(SHMCTL, &args, Wait::Never))?;
    let at = slot.address() + (DATA + SEGMENT_BYTES) as u64;
    // SAFETY: the slot is ours, and the answer stands in its data.
    Ok(unsafe { (at as *const u64).read() })
}

pub fn shmat(frame: &mut Frame) -> Result<u64, Errno> {
    let [id, mut hint, flags, ..] = frame.args();
    let fixed = match (hint, flags & SHM_REMAP != 0) {
        (0, true) => return Err(Errno::EINVAL),
        (0, false) => 0,
        (_, true) => MAP_FIXED,
        (_, false) => MAP_FIXED_NOREPLACE,
    };
    if hint % PAGE != 0 {
        if flags & SHM_RND == 0 {
            return Err(Errno::EINVAL);
        }
        hint &= !(PAGE - 1);
    }
    let bytes = page_up(size(id)?).ok_or(Errno::ENOMEM)?;
    let pages = (bytes / PAGE) as usize;
    let physical = memory::allocate_file_pages(pages).ok_or(Errno::ENOMEM)?;
    let args = [id, physical, bytes, flags & SHM_RDONLY, 0];
    let attached = channel::result(channel::machine_call(machine::ATTACH, args));
    attached.inspect_err(|_| free_file_pages(physical, pages))?;
    let writable = flags & SHM_RDONLY == 0;
    let mut protection = PROT_READ;
    if writable {
        protection |= PROT_WRITE;
    }
    if flags & SHM_EXEC != 0 {
        protection |= PROT_EXEC;
    }
    let backing = Backing::File {
        shared: true,
        writable,
    };
    let mut space = SPACE.lock();
    let mapped = place(&mut space, hint, bytes, fixed)
        .and_then(|start| map_file(&mut space, start, bytes, protection, physical, backing));
    let start = mapped.map_err(|error| {
        memory::unmap_file(physical, bytes);
        free_file_pages(physical, pages);
        if error == Errno::EEXIST {
            Errno::EINVAL
        } else {
            error
        }
    })?;
    ATTACHED.lock().insert(start, bytes);
    Ok(start)
}

pub fn shmdt(frame: &mut Frame) -> Result<u64, Errno> {
    let start = frame.rdi;
    let bytes = ATTACHED.lock().remove(&start).ok_or(Errno::EINVAL)?;
    let mut space = SPACE.lock();
    // The program may have mapped something else there meanwhile.
    let file =
        |area: &crate::mm::areas::Area| matches!(area.backing, Backing::File { shared: true, .. });
    if !space.areas.find(start).is_some_and(file) {
        return Err(Errno::EINVAL);
    }
    space.unmap(start, start + bytes)?;
    Ok(0)
}
