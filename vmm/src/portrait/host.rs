//! What the host has mapped in this process, by its own /proc/self/maps.

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    pub start: u64,
    pub end: u64,
    pub offset: u64,
    /// Device and inode.
    pub file: String,
    pub name: Vec<u8>,
}

/// Parses maps, by address.
pub fn parse(text: &[u8]) -> Vec<Mapped> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Mapped> {
    let mut rest = line;
    let mut field = || {
        let end = rest.iter().position(|byte| *byte == b' ')?;
        let (field, after) = rest.split_at(end);
        rest = &after[1..];
        std::str::from_utf8(field).ok()
    };
    let (start, end) = field()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    field()?;
    let offset = number(field()?)?;
    let device = field()?;
    let file = format!("{device} {}", field()?);
    Some(Mapped {
        start,
        end,
        offset,
        file,
        name: rest.trim_ascii_start().to_vec(),
    })
}

/// The mapping at an address.
pub fn find(mapped: &[Mapped], address: u64) -> Option<&Mapped> {
    let index = mapped.partition_point(|mapped| mapped.end <= address);
    mapped.get(index).filter(|mapped| mapped.start <= address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = b"7f00-8000 rw-p 00000000 00:00 0 \n\
            8000-9000 r--s 00001000 fe:01 12                         /tmp/a b\n";
        let mapped = parse(text);
        assert_eq!(mapped.len(), 2);
        assert_eq!(find(&mapped, 0x7fff).unwrap().file, "00:00 0");
        let second = find(&mapped, 0x8000).unwrap();
        assert_eq!(
            (second.offset, &second.name[..]),
            (0x1000, &b"/tmp/a b"[..])
        );
        assert_eq!(second.file, "fe:01 12");
        assert!(find(&mapped, 0x9000).is_none());
        assert!(find(&mapped, 0x1000).is_none());
    }
}
