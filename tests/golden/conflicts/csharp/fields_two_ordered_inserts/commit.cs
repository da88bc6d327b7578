class Pool
{
    static readonly int Size = 4;
    static readonly string[] Names = new string[Size];
}
