class Pool
{
    static readonly int Size = 4;
}
