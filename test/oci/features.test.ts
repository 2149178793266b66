import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { features } from '../../oci/features.ts';
import { Features } from '../../oci/spec/features.ts';
import { NAMESPACES } from '../../oci/spec/linux/namespaces.ts';

test('features are a document of the specification', () => {
  const validate = new Ajv().compile(Features);
  expect(validate(features()), JSON.stringify(validate.errors)).toBe(true);
});

test('all namespaces are supported, and what is refused is not', () => {
  const { linux } = features();
  expect(linux?.namespaces).toEqual([...NAMESPACES].sort());
  expect(linux?.apparmor).toEqual({ enabled: true });
  expect(linux?.selinux).toEqual({ enabled: false });
  expect(linux?.mountExtensions?.idmap).toEqual({ enabled: true });
});
