/** Where a hub offers its backup: an administrator's GET streams one consistent snapshot of the store. */
export const BACKUP_PATH = '/backup';
