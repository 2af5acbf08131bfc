/** `covey profiles`: lists the firmware profiles, shows one as a manifest, or checks one that a person wrote. */
import { stringify } from 'yaml';
import { readProfileFile, shippedManifest } from '#firmware-profiles/load.js';
import { type FirmwareProfile, isShipped, ProfileError } from '#firmware-profiles/profile.js';
import { UsageError } from '../lib/arguments.js';
import { type Command, CommandError } from './command.js';
import { dataDirectory, dataOption } from './data-option.js';
import { knownProfiles, profileNamed } from './known-profiles.js';
import { textTable } from './text-table.js';

export const profilesCommand: Command = {
  name: 'profiles',
  summary: 'List the firmware profiles of boards, show or check one',
  usage: '[list | show NAME] [--file FILE] [--data DIR]',
  options: {
    file: { type: 'string', value: 'FILE', help: 'show this file instead, after checking it' },
    data: { ...dataOption, help: `${dataOption.help}; without a hub, the profiles of this version` },
  },
  async run(args, { out, err }) {
    const [verb = 'list', name, ...rest] = args.positionals;
    const file = args.text('file');
    const complete = file === undefined ? name !== undefined : name === undefined;
    if (rest.length > 0 || !(verb === 'list' ? name === undefined : verb === 'show' && complete))
      throw new UsageError(
        `expected list, show NAME or show --file FILE, not "${args.positionals.join(' ')}"`,
      );
    const dataDir = dataDirectory(args);
    if (file !== undefined || name !== undefined) {
      const profile = await known(
        file === undefined ? profileNamed(name ?? '', dataDir) : readProfileFile(file),
      );
      const text = isShipped(profile) ? await shippedManifest(profile.metadata.name) : undefined;
      out(text ?? manifestOf(profile));
      return 0;
    }
    const { profiles, hubMissing } = await knownProfiles(dataDir);
    if (hubMissing !== undefined)
      err(`covey profiles: only those of this version are listed: ${hubMissing}\n`);
    out(
      textTable([
        ['NAME', 'TITLE', 'ARCHITECTURE', 'DIALECT', 'FROM'],
        ...profiles.map((profile) => [
          profile.metadata.name,
          profile.spec.title,
          profile.spec.architecture,
          profile.spec.boot.dialect,
          isShipped(profile) ? 'covey' : 'hub',
        ]),
      ]),
    );
    return 0;
  },
};

/** A profile that is wrong or missing is the person's to mend: one line, no stack. */
async function known(profile: Promise<FirmwareProfile>): Promise<FirmwareProfile> {
  try {
    return await profile;
  } catch (error) {
    if (error instanceof ProfileError) throw new CommandError(error.message, { cause: error });
    throw error;
  }
}

/** As `kubectl apply` takes it. */
function manifestOf({ apiVersion, kind, metadata, spec }: FirmwareProfile): string {
  return stringify({ apiVersion, kind, metadata: { name: metadata.name }, spec }, { lineWidth: 110 });
}
